from .run import LabelSettings as LabelSettings
from .run import label as label
