"""Loads language models, encoders and LoRA adapters by name, and exports them.

Training, generating and reading are in other rooms (`dpo`, `generation`, `labelling`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
