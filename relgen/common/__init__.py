"""Errors, atomic files, shards, presets, configuration and command lines for all rooms.

It has no part in relations, models and training.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
