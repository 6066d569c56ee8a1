"""Holds relation classifiers: entity markers, KnowPrompt, RetrievalRE; their loading and saving.

Leaves out training (`lightning_modules.relation_classifier`) and data (`datamodules.relations`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
