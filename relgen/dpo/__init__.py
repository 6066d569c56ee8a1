"""DPO on chains of preference pairs: functions from labelled samples to gradients.

Leaves out the training loop (`lightning_modules.dpo`) and batching (`datamodules.preferences`). In
order: `preference_pairs`, `tokenize`, `prefix_tree`, `tree_attention`, `logps`, `losses`,
`microbatch`; `memory` estimates a step.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
