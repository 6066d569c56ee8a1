"""Predicts relations in files and raw text with a trained classifier; finds entities in raw text.

`classifiers` holds the classifiers themselves, and predicts for samples in memory.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
