"""Trains on chains of preference pairs with DPO. From labelled samples to gradients:

    preference_pairs   labelled samples -> chains of (chosen, rejected)
    tokenize           a chain -> token ids, segment by segment
    prefix_tree        chains -> one packed row, in which a shared prompt occurs once
    tree_attention     which tokens of the row attend to which
    logps              a model and a row -> log-probabilities of the completions
    losses             these under policy and reference -> losses
    microbatch         losses -> gradients, some branches at a time

`near_copies` and `reference_cache` help the first and the fifth; `memory` and `decoder_sizes`
estimate the memory of a step. The training loop is `lightning_modules.dpo`; batches are made in
`datamodules.preferences`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
