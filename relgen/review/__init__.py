"""Lets people check samples: a local page, exports to annotation tools, and their results.

Leaves out how samples are labelled (`labelling`), and what is trained on them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
