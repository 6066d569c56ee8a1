"""Holds what every room needs: errors, atomic files, progress, presets and configuration.

Leaves out everything about relations, models and training.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
