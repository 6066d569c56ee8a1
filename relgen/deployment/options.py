"""Options of `relgen serve`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from relgen.common import POSITIONAL, ClosedUnitInterval, NonNegativeInt, PositiveFloat, PositiveInt
from relgen.models import DeviceName
from relgen.prediction import ClassifierFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits of the requests that a server accepts."""

    sentences: PositiveInt = 256
    """Largest number of sentences in a request."""
    characters: PositiveInt = 10_000
    """Largest number of characters in a sentence or a raw text."""
    pairs: PositiveInt = 1000
    """Largest number of pairs of entities in a request's raw texts."""
    body_bytes: PositiveInt = 1_000_000
    """Largest size of a request in bytes."""
    body_seconds: PositiveFloat = 30.0
    """Time limit, in seconds, for receiving the body of a request."""
    batch: PositiveInt = 64
    """Largest number of sentences, or pairs of entities of raw texts, computed at once."""
    queue: PositiveInt = 2048
    """Largest number of sentences that wait for others; beyond it, the answer is 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Serve a classifier over HTTP until SIGTERM or Ctrl-C; what has arrived is answered first.

    POST /predict takes a sentence {"text", "head", "tail"}, or several as {"samples": […]}; with
    --entities raw text, too. GET /health, /metrics (for Prometheus), /openapi.json, and a page at
    /. Requests that arrive together are computed as one batch.
    """

    model: ClassifierFolder = field(metadata=POSITIONAL)
    """Folder that `relgen classifier fit` wrote, or its name on the Hub."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 for all of this machine's."""
    port: NonNegativeInt = 8000
    """Port; 0 takes a free one."""
    threshold: ClosedUnitInterval | Literal["saved"] | None = None
    """Least probability of a relation, as for `relgen predict`."""
    abstain: bool = False
    """Below the threshold, give no answer: a relation of null."""
    entities: list[str] = field(default_factory=list)
    """Where the entities of raw text come from, as for `relgen predict`."""
    types: dict[str, str] | None = None
    """Types of these entities to rename to those of the schema, such as ORG=ORGANIZATION."""
    window: PositiveInt = 1
    """Sentences that a pair of entities may be apart in raw text, counting both."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the computation; bfloat16 is faster on processors with instructions for it."""
    device: DeviceName | None = None
    """Device to run on (cpu, cuda, …); by default cuda where there is one."""
    log_requests: bool = False
    """Log a line for each request to /predict: its id, status and seconds."""
    limits: ServerLimits = field(default_factory=ServerLimits)
    """What is accepted."""
