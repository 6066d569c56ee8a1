"""The limits of a server, which are options of `relgen serve`."""

from __future__ import annotations

from dataclasses import dataclass

from relgen.common import PositiveFloat, PositiveInt


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server accepts."""

    sentences: PositiveInt = 256
    """Most sentences of a request."""
    characters: PositiveInt = 10_000
    """Most characters of a sentence."""
    body_bytes: PositiveInt = 1_000_000
    """Most bytes of a request."""
    body_seconds: PositiveFloat = 30.0
    """Most seconds in which a request's body arrives."""
    batch: PositiveInt = 64
    """Most sentences computed at once."""
    queue: PositiveInt = 2048
    """Most sentences that wait; beyond, the answer is 503."""
