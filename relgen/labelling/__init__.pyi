from .run import label as label
from .settings import LEFT_OUT as LEFT_OUT
from .settings import LabelOptions as LabelOptions
from .settings import LabelSettings as LabelSettings
