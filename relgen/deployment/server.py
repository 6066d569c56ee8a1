"""Serves a classifier over HTTP until the process is told to stop."""

from __future__ import annotations

import logging
import socket

import uvicorn

from relgen.common import InputError
from relgen.deployment.app import create_app
from relgen.deployment.options import ServeOptions
from relgen.prediction import PredictOptions, Predictor

_STOPPING_SECONDS = 30
# options of `relgen predict` as well
_SHARED = ["model", "threshold", "abstain", "entities", "types", "window", "precision", "device"]


def serve(options: ServeOptions) -> None:
    """Serve a classifier until SIGTERM or SIGINT; requests that have arrived are answered first.

    Raises:
        InputError: no such classifier or source of entities, or the address cannot be used.
    """
    given = {name: getattr(options, name) for name in _SHARED}
    predictor = Predictor(
        PredictOptions(input="", scores=True, **given),
        most_pairs=options.limits.pairs,
        at_once=options.limits.batch,
    )
    # the first sentence is slower than all others
    predictor.classifier.predict("Ann founded Acme.", (12, 16), (0, 3))
    host, listening = options.host, _listen(options.host, options.port)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    config = uvicorn.Config(
        create_app(predictor, options.limits),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPPING_SECONDS,
    )
    shown = f"[{host}]" if ":" in host else host
    place = f"http://{shown}:{listening.getsockname()[1]}"
    print(f"serving {options.model} at {place} (Ctrl-C stops)", flush=True)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        # uvicorn repeats the signal once everything is answered
        print("stopped")


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(2048)
    except (OSError, OverflowError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"this address cannot be used: {reason}",
            field="--port",
            value=f"{host}:{port}",
            remedy="choose another --port (0 takes a free one) or --host",
        ) from error
    return opened
