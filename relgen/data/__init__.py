"""Holds samples, relation schemas, corpora, few-shot splits, and their files.

Leaves out prompts (`prompting`) and everything that runs a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
