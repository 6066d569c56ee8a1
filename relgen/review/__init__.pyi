from .options import ReviewOptions as ReviewOptions
from .run import review as review
