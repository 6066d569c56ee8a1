"""Turns an experiment into command lines, runs those not done yet, and collects the results.

Leaves out what the commands do (`cli`) and how results are shown (`reporting`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
