"""Shows how far a loop is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def tracked(
    items: Iterable[Item], title: str, total: float | None = None, *, shown: bool = True
) -> Iterable[Item]:
    """Return the items of a loop, which moves a bar on stderr that goes away at the end.

    `total` is their number, for items without a length; no bar is shown without `shown`.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, title, total, console=console, transient=True, disable=not shown)
