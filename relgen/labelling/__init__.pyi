from .run import label as label
from .settings import LabelOptions as LabelOptions
from .settings import LabelSettings as LabelSettings
