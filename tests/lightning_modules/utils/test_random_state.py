from __future__ import annotations

import torch

from lightning_modules.utils.random_state import random_state, set_random_state


def test_the_first_process_goes_on_and_the_others_differ() -> None:
    with torch.random.fork_rng(devices=[]):
        state = random_state()
        wanted = torch.rand(4)
        drawn = []
        for rank in (0, 1, 2, 1):
            set_random_state(state, rank)
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], wanted)
    assert torch.equal(drawn[1], drawn[3])
    assert not torch.equal(drawn[1], drawn[0])
    assert not torch.equal(drawn[1], drawn[2])
