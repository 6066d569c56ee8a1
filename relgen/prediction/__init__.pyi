from .pairs import Fact as Fact
from .pairs import RawText as RawText
from .pairs import candidate_pairs as candidate_pairs
from .pairs import in_one_direction as in_one_direction
from .predictor import Predictor as Predictor
from .run import predict as predict
from .settings import PredictOptions as PredictOptions
from .sources import open_sources as open_sources
