"""Which requests are computed together, and what happens when something fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from relgen.data.samples import Entity, Prediction, Sample
from relgen.deployment.batcher import Batcher, QueueFullError

pytestmark = pytest.mark.compute


def sentences(*names: str) -> list[Sample]:
    return [Sample(name, "Ann met Ben.", Entity(0, 3), Entity(8, 11), "r") for name in names]


class Model:
    """Waits in its first batch until it is let go; fails for a sentence with the id `bad`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, samples: Sequence[Sample]) -> list[Prediction]:
        self.batches.append([sample.id for sample in samples])
        self.begun.set()
        self.go.wait()
        if any(sample.id == "bad" for sample in samples):
            raise ZeroDivisionError
        return [Prediction(sample.id, "r", 1.0, {"r": 1.0}) for sample in samples]


async def arrive(batcher: Batcher, model: Model, *requests: list[str]) -> list[object]:
    """Send the first request; the others come while it is computed. Return all answers."""
    batcher.start()
    tasks = [asyncio.create_task(batcher.predict(sentences(*requests[0])))]
    await asyncio.to_thread(model.begun.wait)
    tasks += [asyncio.create_task(batcher.predict(sentences(*names))) for names in requests[1:]]
    await asyncio.to_thread(bool)  # they run first
    model.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await batcher.stop()
    return [
        answer if isinstance(answer, BaseException) else [one.id for one in answer]
        for answer in answers
    ]


def test_requests_that_arrive_together_are_one_batch() -> None:
    model = Model()
    seen: list[int] = []
    batcher = Batcher(
        model,
        batch_sentences=4,
        queue_sentences=99,
        observe=lambda sentences, seconds: seen.append(sentences),
    )
    requests = (["a"], ["b", "c"], ["d"], ["e", "f"], list("ghijkl"))
    answers = asyncio.run(arrive(batcher, model, *requests))
    assert answers == list(requests)
    assert model.batches == [["a"], ["b", "c", "d"], ["e", "f"], list("ghijkl")]
    assert seen == [1, 3, 2, 6]
    assert not batcher.running


def test_a_full_queue_refuses_and_loses_nothing() -> None:
    model = Model()
    batcher = Batcher(model, batch_sentences=4, queue_sentences=2)
    requests = (["a"], ["b", "c", "d"], ["e"], ["f"], ["g"])
    a, more, e, f, g = asyncio.run(arrive(batcher, model, *requests))
    assert (a, e, f) == (["a"], ["e"], ["f"])
    assert isinstance(more, QueueFullError)  # nobody waits yet, but these would
    assert isinstance(g, QueueFullError)


def test_an_idle_classifier_takes_more_than_may_wait() -> None:
    model = Model()
    batcher = Batcher(model, batch_sentences=4, queue_sentences=2)
    first, second = asyncio.run(arrive(batcher, model, ["a", "b", "c"], ["d", "e", "f"]))
    assert first == ["a", "b", "c"]
    assert isinstance(second, QueueFullError)


def test_a_request_that_fails_fails_alone() -> None:
    model = Model()
    batcher = Batcher(model, batch_sentences=9, queue_sentences=9)
    answers = asyncio.run(arrive(batcher, model, ["a"], ["b"], ["bad"], ["c"]))
    assert [type(answers.pop(2)), *answers] == [ZeroDivisionError, ["a"], ["b"], ["c"]]
    assert model.batches == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]


def test_what_nobody_waits_for_is_not_computed() -> None:
    async def left() -> tuple[int, int]:
        batcher.start()
        kept = asyncio.create_task(batcher.predict(sentences("a")))
        await asyncio.to_thread(model.begun.wait)
        gone = [asyncio.create_task(batcher.predict(sentences(*names))) for names in ("bc", "de")]
        last = asyncio.create_task(batcher.predict(sentences("f")))
        await asyncio.to_thread(bool)  # they run first
        before = batcher.waiting
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        after = batcher.waiting
        model.go.set()
        await asyncio.gather(kept, last)
        await batcher.stop()
        return before, after

    model = Model()
    batcher = Batcher(model, batch_sentences=4, queue_sentences=9)
    assert asyncio.run(left()) == (5, 1)
    assert model.batches == [["a"], ["f"]]


def test_stopping_answers_what_has_arrived() -> None:
    async def stopped() -> list[str]:
        model = Model()
        batcher = Batcher(model, batch_sentences=1, queue_sentences=9)
        batcher.start()
        tasks = [asyncio.create_task(batcher.predict(sentences(name))) for name in "abc"]
        await asyncio.to_thread(model.begun.wait)
        model.go.set()
        await batcher.stop()
        found = [one.id for answer in await asyncio.gather(*tasks) for one in answer]
        with pytest.raises(RuntimeError, match="does not run"):
            await batcher.predict(sentences("d"))
        return found

    assert asyncio.run(stopped()) == ["a", "b", "c"]
