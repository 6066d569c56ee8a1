"""Figures in Prometheus's text format."""

from __future__ import annotations

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra serve")

from relgen.deployment.metrics import Metrics

pytestmark = pytest.mark.compute


def test_requests_and_batches_are_counted() -> None:
    metrics = Metrics(lambda: 7)
    metrics.request(200, 0.03)
    metrics.batch(3, 0.25)
    metrics.predicted(["a", None, "a"])
    lines = metrics.text().decode().splitlines()
    for line in (
        'relgen_requests_total{status="200"} 1.0',
        'relgen_request_seconds_bucket{le="0.02"} 0.0',
        'relgen_request_seconds_bucket{le="0.05"} 1.0',
        "relgen_batch_sentences_sum 3.0",
        'relgen_predictions_total{relation="a"} 2.0',
        'relgen_predictions_total{relation=""} 1.0',
        "relgen_computing_seconds_total 0.25",
        "relgen_queue_sentences 7.0",
    ):
        assert line in lines
