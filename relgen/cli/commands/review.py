"""`relgen review`: lets people check samples."""

from __future__ import annotations

from relgen.review import ReviewOptions as Options


def run(options: Options) -> None:
    """Open the page, or exchange tasks and results with an annotation tool."""
    from relgen.review import review

    review(options)
