"""Loads language models, encoders and LoRA adapters by name, and exports them.

Leaves out training, and the loops that generate (`generation`) or read (`labelling`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
