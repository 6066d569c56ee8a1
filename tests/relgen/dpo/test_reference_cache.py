"""Log-probabilities of the reference, kept tree by tree."""

from __future__ import annotations

import torch

from relgen.dpo.logps import PairLogProbabilities
from relgen.dpo.prefix_tree import pack
from relgen.dpo.reference_cache import ReferenceCache
from tests import tiny

FIRST, SECOND = (tiny.chain_tokens(pairs, seed=pairs) for pairs in (2, 1))
VALUES = PairLogProbabilities(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0]))


def test_trees_are_found_in_any_batch() -> None:
    cache = ReferenceCache("base")
    cache.put(pack([FIRST, SECOND]), VALUES)
    assert len(cache.state_dict()["values"]) == 2
    found = cache.get(pack([SECOND, FIRST]))
    assert found is not None
    assert found.chosen.tolist() == [3.0, 1.0, 2.0]
    assert found.rejected.tolist() == [6.0, 4.0, 5.0]
    assert cache.get(pack([FIRST, tiny.chain_tokens(1, seed=9)])) is None


def test_a_state_of_another_reference_is_ignored() -> None:
    cache, same, other = (ReferenceCache(name) for name in ("base", "base", "other"))
    cache.put(pack([SECOND]), PairLogProbabilities(*(part[:1] for part in VALUES)))
    for loaded in (same, other):
        loaded.load_state_dict(cache.state_dict())
    assert same.state_dict() == cache.state_dict()
    assert not other.state_dict()["values"]
