"""Draws the results of runs as HTML, Markdown and plots.

Leaves out how figures are worked out (`evaluation`, `experiments`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
