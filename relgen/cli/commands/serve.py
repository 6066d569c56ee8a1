"""`relgen serve`: serves a classifier over HTTP."""

from __future__ import annotations

from relgen.deployment import ServeOptions as Options


def run(options: Options) -> None:
    """Serve the classifier."""
    from relgen.deployment import serve

    serve(options)
