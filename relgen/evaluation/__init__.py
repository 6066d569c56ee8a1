"""Measures: scores, statistics over seeds, diversity, and the language model as the classifier.

Leaves out trained classifiers (`classifiers`) and the presentation of results (`reporting`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
