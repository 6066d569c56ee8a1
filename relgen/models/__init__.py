"""Loads language models, encoders and LoRA adapters by name, and exports them.

Training, generating and reading are in other rooms (`dpo`, `generation`, `labelling`).
"""

import logging

import lazy_loader

# bitsandbytes looks for a faster 4-bit kernel on the Hub, and says so when there is none
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
