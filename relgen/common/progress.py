"""Shows how far a loop is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

LISTENER: ContextVar[Callable[[float, float, str], None] | None]
LISTENER = ContextVar("LISTENER", default=None)
"""Takes what `report` is given, and shows it: then commands show no bars of their own."""


def report(done: float, total: float, what: str) -> None:
    """Say how much is done, such as 128 of 4000 "sentences", if somebody listens."""
    if listener := LISTENER.get():
        listener(done, total, what)


def tracked(
    items: Iterable[Item], title: str, total: float | None = None, *, shown: bool = True
) -> Iterable[Item]:
    """Return the items of a loop, which moves a bar on stderr that goes away at the end.

    `total` is their number, for items without a length; no bar is shown without `shown`.
    """
    from rich.console import Console
    from rich.progress import track

    hidden = not shown or LISTENER.get() is not None
    return track(items, title, total, console=Console(stderr=True), transient=True, disable=hidden)
