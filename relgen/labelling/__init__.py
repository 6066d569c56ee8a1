"""Labels generated sentences with a probe fitted to a language model's hidden states.

`generation` writes the sentences, and `classifiers` trains on the labels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
