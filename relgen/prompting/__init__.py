"""Writes prompts: the three modules, tagged text in a chat template, and lines of named fields.

Leaves out sending them to a model (`generation`) and the tokens of whole chains (`dpo`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
