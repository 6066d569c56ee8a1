"""Lets the language model read generated sentences: hidden states, views, a fitted probe.

Leaves out writing them (`generation`) and the classifiers trained on the labels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
