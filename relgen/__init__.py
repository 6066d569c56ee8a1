"""relgen: diverse and correct training data for relation extraction.

Importing this package loads nothing heavy; torch, transformers and Lightning wait until a command
or a function needs them.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
