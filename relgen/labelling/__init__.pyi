from .run import label as label
from .settings import LabelSettings as LabelSettings
