from .batching import lay_out_trees as lay_out_trees
from .batching import length_batches as length_batches
from .cache import cache_folder as cache_folder
from .cache import cached_models as cached_models
from .causal_lm import find_device as find_device
from .causal_lm import load_config as load_config
from .causal_lm import load_language_model as load_language_model
from .causal_lm import load_tokenizer as load_tokenizer
from .causal_lm import resolve_model as resolve_model
from .encoders import SentenceEncoder as SentenceEncoder
from .encoders import load_encoder as load_encoder
from .export import export_merged as export_merged
from .load_errors import loading as loading
from .logits import logits_at as logits_at
from .lora import add_lora as add_lora
from .lora import fingerprint as fingerprint
from .lora import load_adapter as load_adapter
from .lora import reference as reference
from .lora import save_adapter as save_adapter
<<<<<<< HEAD
from .memory import ModelMemory as ModelMemory
from .memory import check_memory as check_memory
from .memory_left import device_memory as device_memory
from .memory_left import free_memory as free_memory
from .names import check_name as check_name
=======
from .memory import device_memory as device_memory
from .name_check import check_name as check_name
from .names import EMBEDDED_ENCODER as EMBEDDED_ENCODER
from .names import EMBEDDED_LANGUAGE_MODEL as EMBEDDED_LANGUAGE_MODEL
>>>>>>> house
from .verification import check_architecture as check_architecture
from .verification import random_texts as random_texts
from .window import check_fits as check_fits
from .window import context_window as context_window
from .window import longest_input as longest_input
from .window import model_window as model_window
