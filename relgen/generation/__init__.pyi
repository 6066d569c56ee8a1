from .backends.base import DraftRequest as DraftRequest
from .backends.loading import find_engine as find_engine
from .run import generate as generate
from .run import merge_shards as merge_shards
from .settings import GenerateOptions as GenerateOptions
from .settings import GenerationSettings as GenerationSettings
from .settings import ServerSettings as ServerSettings
