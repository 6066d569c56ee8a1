"""`relgen serve`: serves a classifier over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from relgen.common import POSITIONAL, NonNegativeInt
from relgen.deployment import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Serve a classifier over HTTP until SIGTERM or Ctrl-C; what has arrived is answered first.

    POST /predict takes a sentence {"text", "head", "tail"}, or several as {"samples": […]}. GET
    /health, /metrics (for Prometheus), /openapi.json, and a page at /. Requests that arrive
    together are computed as one batch.
    """

    model: str = field(metadata=POSITIONAL)
    """Folder that `relgen classifier fit` wrote, or its name on the Hub."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 for all of this machine's."""
    port: NonNegativeInt = 8000
    """Port; 0 takes a free one."""
    device: str = "cpu"
    """Where to compute: cpu, or cuda."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 is faster on processors with instructions for it."""
    limits: Limits = field(default_factory=Limits)
    """What is accepted."""


def run(options: Options) -> None:
    """Serve the classifier."""
    from relgen.deployment import serve

    serve(
        options.model,
        host=options.host,
        port=options.port,
        device=options.device,
        precision=options.precision,
        limits=options.limits,
    )
