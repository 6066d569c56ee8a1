"""Writes prompts: the three modules, tagged text in a chat template, and lines of named fields.

`generation` sends them to a model, `dpo` tokenises whole chains.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
