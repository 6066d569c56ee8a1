"""Counts what a server does, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SENTENCES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The figures of one server; `waiting` returns the sentences in the queue."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "relgen_requests", "Requests by status", ["status"], registry=self.registry
        )
        self._seconds = Histogram(
            "relgen_request_seconds",
            "Seconds until an answer",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._predictions = Counter(
            "relgen_predictions", "Predictions by relation", ["relation"], registry=self.registry
        )
        self._batches = Histogram(
            "relgen_batch_sentences",
            "Sentences computed at once",
            buckets=_SENTENCES,
            registry=self.registry,
        )
        self._computing = Counter(
            "relgen_computing_seconds", "Seconds of computing", registry=self.registry
        )
        queue = Gauge("relgen_queue_sentences", "Sentences that wait", registry=self.registry)
        queue.set_function(waiting)

    def request(self, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def batch(self, sentences: int, seconds: float) -> None:
        """Count a computed batch."""
        self._batches.observe(sentences)
        self._computing.inc(seconds)

    def predicted(self, relations: Iterable[str | None]) -> None:
        """Count predictions, whose distribution shows when the input changes; None is no answer."""
        for relation in relations:
            self._predictions.labels(relation or "").inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self.registry)
