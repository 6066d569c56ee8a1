"""Relation classifiers: entity markers, KnowPrompt and RetrievalRE, with loading and saving.

Training belongs to `lightning_modules.relation_classifier`, data to `datamodules.relations`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
