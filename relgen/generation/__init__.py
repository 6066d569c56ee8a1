"""Generation of samples by a language model: loops, acceptance, grammars, backends, files.

Leaves out prompts (`prompting`) and reading what was written (`labelling`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
