"""Writes the results of runs as HTML and Markdown, with charts.

Leaves out how scores are computed (`evaluation`, `experiments`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
