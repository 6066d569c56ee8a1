"""A datastore travels in a state dict, whatever its size."""

import pytest
import torch
from torch import nn

from relgen.classifiers.datastore import Datastore, Retrieval


def test_a_state_of_any_size_can_be_loaded():
    full = nn.ModuleDict({"store": Datastore(4, 3)})
    full["store"].fill(torch.rand(7, 4), torch.rand(7, 3), Retrieval(0.3, 16, 10.0))
    for empty in (Datastore(4, 3), Datastore(4, 3)):
        other = nn.ModuleDict({"store": empty})
        other.load_state_dict(full.state_dict())
        assert len(empty) == 7
        assert torch.equal(empty.keys, full["store"].keys)
        assert torch.equal(empty.values, full["store"].values)
        assert empty.retrieval == Retrieval(0.3, 16, 10.0)
    full.load_state_dict(nn.ModuleDict({"store": Datastore(4, 3)}).state_dict())
    assert len(full["store"]) == 0


def test_a_state_of_another_width_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch for keys"):
        Datastore(4, 3).load_state_dict(Datastore(5, 3).state_dict())


def test_clearing_forgets():
    store = Datastore(4, 3)
    store.fill(torch.rand(7, 4), torch.rand(7, 3), Retrieval(0.3, 16, 10.0))
    store.clear()
    assert (len(store), store.values.shape) == (0, (0, 3))
    assert store.keys.untyped_storage().nbytes() == 0
