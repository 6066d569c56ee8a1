"""The torchmetrics classes: accumulation over batches, and two ranks of which one has no data."""

from __future__ import annotations

import math
import random
import socket
import subprocess
import sys
import textwrap

import pytest
import torch
from torch.nn import functional as F

from relgen.data.samples import Entity, Sample
from relgen.evaluation.diversity import text
from relgen.evaluation.diversity.metrics import MeanPairwiseCosine, TextDiversity, VendiScore
from relgen.evaluation.diversity.vectors import vendi_score

VECTORS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
RELATIONS = torch.tensor([0, 0, 0, 1])

RANK = """
    import sys, torch, torch.distributed as dist
    from relgen.evaluation.diversity.metrics import MeanPairwiseCosine, TextDiversity, VendiScore
    from relgen.data.samples import Entity, Sample

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
    summed = VendiScore(1, 2, rows=1)
    if rank == 0:
        summed.update(torch.eye(2).repeat(3, 1), torch.zeros(6, dtype=torch.long))
        assert summed.sum_counts[0].tolist() == [6]
    assert abs(summed.compute().item() - 2) < 1e-6
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


def test_vendi_of_vectors_that_are_summed_is_that_of_all_of_them() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = F.normalize(torch.randn(200, 4, generator=generator), dim=-1)
    relations = torch.randint(3, (200,), generator=generator)
    relations[::50] = 3  # four vectors: never more than d
    whole, summed = VendiScore(5, 4), VendiScore(5, 4, rows=1)
    whole.update(vectors, relations)
    for rows in torch.arange(200).split(7):
        summed.update(vectors[rows], relations[rows])
        assert sum(map(len, summed.embeddings)) <= 2 * 5 * 4
    assert [len(counts) for counts in summed.sum_counts] == [3]
    torch.testing.assert_close(summed.compute(), whole.compute(), equal_nan=True)
    for relation in range(4):
        expected = vendi_score(vectors[relations == relation])
        torch.testing.assert_close(summed.compute()[relation], expected, rtol=1e-9, atol=0)
    summed.reset()
    summed.update(torch.eye(4), torch.zeros(4, dtype=torch.long))
    assert summed.compute()[0].item() == pytest.approx(4.0)


def test_self_bleu_of_many_sentences_is_that_of_a_seeded_draw() -> None:
    samples = [_sample(number, f"a b c d {number % 7} {number}") for number in range(30)]

    def self_bleu(seed: int, sentences: int) -> float | None:
        metric = TextDiversity(seed, sentences)
        metric.update(samples)
        return metric.compute()["r"]["self_bleu"]

    words = [text.words(sample.text) for sample in samples]
    assert self_bleu(1, 30) == self_bleu(2, 30) == text.self_bleu(words)
    drawn = text.subsample(words, 5, random.Random("self_bleu/1/r"))
    assert self_bleu(1, 5) == text.self_bleu(drawn)
    assert len({self_bleu(seed, 5) for seed in range(9)}) > 1


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
