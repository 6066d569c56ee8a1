"""The torchmetrics classes: accumulation over batches, and two ranks of which one has no data."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import textwrap

import pytest
import torch

from relgen.diversity.metrics import MeanPairwiseCosine, TextDiversity, VendiScore
from relgen.samples import Entity, Sample

VECTORS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
RELATIONS = torch.tensor([0, 0, 0, 1])

RANK = """
    import sys, torch, torch.distributed as dist
    from relgen.diversity.metrics import MeanPairwiseCosine, TextDiversity, VendiScore
    from relgen.samples import Entity, Sample

    rank, port = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    cosine, vendi, texts = MeanPairwiseCosine(1, 2), VendiScore(1, 2), TextDiversity()
    if rank == 0:
        vectors = torch.eye(2)
        relations = torch.zeros(2, dtype=torch.long)
        cosine.update(vectors, relations)
        vendi.update(vectors, relations)
        texts.update([Sample(str(i), "fire and smoke", Entity(0, 4), Entity(9, 14), "r")
                      for i in range(2)])
    assert cosine.compute().item() == 0
    assert abs(vendi.compute().item() - 2) < 1e-6
    assert texts.compute()["r"]["phrasings"] == 0.5
    dist.destroy_process_group()
"""


def _sample(number: int, text: str, relation: str = "r") -> Sample:
    return Sample(str(number), text, Entity(0, 1), Entity(2, 3), relation)


def test_cosine_and_vendi_over_batches() -> None:
    cosine, vendi = MeanPairwiseCosine(3, 2), VendiScore(3, 2)
    for start in (0, 2):
        batch = slice(start, start + 2)
        cosine.update(VECTORS[batch], RELATIONS[batch])
        vendi.update(VECTORS[batch], RELATIONS[batch])
    assert cosine.compute()[0].item() == pytest.approx(1 / 3)
    assert cosine.compute()[1:].isnan().all()
    # eigenvalues 2/3 and 1/3
    expected = math.exp(-(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)))
    assert vendi.compute()[:2].tolist() == pytest.approx([expected, 1.0])
    assert vendi.compute()[2].isnan()


def test_text_counts_a_padded_sample_once() -> None:
    metric = TextDiversity()
    metric.update([_sample(1, "a b c"), _sample(2, "a b d")])
    metric.update([_sample(2, "a b d")])
    assert metric.compute()["r"]["distinct_1"] == pytest.approx(4 / 6)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_seen_is_no_error() -> None:
    assert TextDiversity().compute() == {}
    assert VendiScore(2, 3).compute().isnan().all()


def test_a_rank_without_data_takes_part() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RANK), str(rank), port],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in ranks:
            _, errors = process.communicate(timeout=90)
            assert process.returncode == 0, errors
    finally:
        for process in ranks:
            process.kill()
