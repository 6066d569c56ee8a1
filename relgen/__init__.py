"""relgen: diverse and correct training data for relation extraction.

Importing this package loads nothing heavy; torch, transformers and Lightning wait until a command
or a function needs them.
"""

import logging

import lazy_loader

__version__ = "0.1.0"

# bitsandbytes looks for a faster 4-bit kernel on the Hub, and says so when there is none
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
