"""Replaces layers and the attention function of models by faster ones.

Results are the same without them (`RELGEN_KERNELS=off`), up to rounding.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
