"""Holds DPO as functions: preference pairs, prefix tree, tree attention, losses, memory.

Leaves out the training loop (`lightning_modules.dpo`) and batching (`datamodules.preferences`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
