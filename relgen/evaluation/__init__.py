"""Measures scores, statistics over seeds and diversity; classifies with a language model.

`classifiers` trains classifiers, and `reporting` presents results.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
