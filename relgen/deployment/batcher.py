"""Computes requests that arrive together as one batch.

While a batch is computed, in a thread of its own, requests queue; then all of them, up to a limit,
make the next batch. A request that comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

Predict = Callable[[Sequence[Any]], Sequence[Any]]
"""Returns the answer to each sentence, in order."""
Observe = Callable[[int, float], None]


class QueueFullError(Exception):
    """More sentences would wait than the limit allows."""


class _Job(NamedTuple):
    samples: Sequence[Any]
    answer: asyncio.Future[list[Any]]


class Batcher:
    """A queue of requests in front of a classifier. `start` and `stop` run in the event loop.

    Args:
        predict: the classifier, called in one thread.
        batch_sentences: most sentences of a batch, unless a single request has more.
        queue_sentences: most sentences that wait.
        observe: called with the sentences and the seconds of each batch.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        batch_sentences: int,
        queue_sentences: int,
        observe: Observe = lambda sentences, seconds: None,
    ) -> None:
        self._predict = predict
        self._batch_sentences = batch_sentences
        self._queue_sentences = queue_sentences
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="relgen-predict")
        self._task: asyncio.Task[None] | None = None
        self.busy_since: float | None = None

    @property
    def waiting(self) -> int:
        """Return the sentences that wait, without those of requests that were cancelled."""
        return sum(len(job.samples) for job in self._jobs if not job.answer.done())

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop once every request in the queue has its answer."""
        while self.running and (self._jobs or self.busy_since is not None):
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown()

    async def predict(self, samples: Sequence[Any]) -> list[Any]:
        """Return the answers to one request's sentences.

        Raises:
            QueueFullError: they would wait, and more than may would then.
        """
        if not self.running:
            raise RuntimeError("the batcher does not run")
        idle = self.busy_since is None and not self.waiting
        if not idle and self.waiting + len(samples) > self._queue_sentences:
            raise QueueFullError
        job = _Job(samples, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._arrived.set()
        return await job.answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if not (jobs := self._next_batch()):
                continue
            self.busy_since = time.monotonic()
            answers = await loop.run_in_executor(self._thread, self._compute, jobs)
            sentences = sum(len(job.samples) for job in jobs)
            self._observe(sentences, time.monotonic() - self.busy_since)
            self.busy_since = None
            for job, answer in zip(jobs, answers, strict=True):
                if job.answer.done():
                    continue  # cancelled
                if isinstance(answer, Exception):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(answer)

    def _next_batch(self) -> list[_Job]:
        """Take the requests that have waited longest; at least one, unless nobody waits."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs:
            if not self._jobs[0].answer.done():  # else it was cancelled
                size += len(self._jobs[0].samples)
                if jobs and size > self._batch_sentences:
                    break
                jobs.append(self._jobs[0])
            self._jobs.popleft()
        if not self._jobs:
            self._arrived.clear()
        return jobs

    def _compute(self, jobs: Sequence[_Job]) -> list[list[Any] | Exception]:
        """Return each request's answers; a request that fails does not fail the others."""
        try:
            found = iter(self._predict([sample for job in jobs for sample in job.samples]))
            return [[next(found) for _ in job.samples] for job in jobs]
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [answer for job in jobs for answer in self._compute([job])]
