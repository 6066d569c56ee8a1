"""Takes a trained classifier to where it is used: ONNX, transformers, spaCy, HTTP and the Hub.

What a prediction is stands in `classifiers`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
