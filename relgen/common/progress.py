"""Show a running count on stderr for anything that takes longer than a few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
QUIET_SECONDS = 3.0
_EVERY = 500


def counted(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Yield `items`; after three seconds, show their number so far.

    Args:
        items: of any kind; their number need not be known.
        what: what they are, in the plural ("samples converted").
    """
    begin = time.monotonic()
    numbered = enumerate(items, start=1)
    for number, item in numbered:
        yield item
        if number % _EVERY == 0 and time.monotonic() - begin > QUIET_SECONDS:
            break
    else:
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {what}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for number, item in numbered:
            yield item
            if number % _EVERY == 0:
                progress.update(task, completed=number)
