"""Serves a classifier over HTTP until the process is told to stop."""

from __future__ import annotations

import logging
import socket

import uvicorn

from relgen.classifiers import Precision, load_classifier
from relgen.common import InputError
from relgen.deployment.app import create_app
from relgen.deployment.limits import Limits

_STOPPING_SECONDS = 30


def serve(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "cpu",
    precision: Precision = "float32",
    limits: Limits | None = None,
) -> None:
    """Serve a classifier until SIGTERM or SIGINT; requests that have arrived are answered first.

    Args:
        model: the classifier's folder, or its name on the Hub.
        host: the address to listen at; `0.0.0.0` for all of the machine's.
        port: 0 takes a free one.

    Raises:
        InputError: no such classifier, or the address cannot be used.
    """
    saved = load_classifier(model, device=device, precision=precision)
    # the first sentence is slower than all others
    example = "Ann founded Acme."
    saved.predict(example, (12, 16), (0, 3))
    listening = _listen(host, port)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    config = uvicorn.Config(
        create_app(saved, str(model), limits or Limits()),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPPING_SECONDS,
    )
    found = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    print(f"serving {model} at http://{shown}:{found} (Ctrl-C stops)", flush=True)
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
