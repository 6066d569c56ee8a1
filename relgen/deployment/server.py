"""Serves a classifier over HTTP until the process is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress

import uvicorn

from relgen.common import listening_socket
from relgen.deployment.app import create_app
from relgen.deployment.options import ServeOptions
from relgen.prediction import PredictOptions, Predictor

_STOPPING_SECONDS = 30
# options of `relgen predict` as well
_SHARED = ["model", "threshold", "abstain", "entities", "types", "window", "precision", "device"]


def serve(options: ServeOptions) -> None:
    """Serve a classifier until SIGTERM, SIGINT or SIGHUP; what has arrived is answered first.

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
    host, listening = options.host, listening_socket(options.host, options.port)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    if options.log_requests:
        logging.getLogger("relgen").setLevel(logging.INFO)
    config = uvicorn.Config(
        create_app(predictor, options.limits),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPPING_SECONDS,
    )
    shown = f"[{host}]" if ":" in host else host
    place = f"http://{shown}:{listening.getsockname()[1]}"
    _say(f"serving {options.model} at {place} (Ctrl-C stops)")
    server = uvicorn.Server(config)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else nohup, or a test
        signal.signal(signal.SIGHUP, server.handle_exit)
    with suppress(KeyboardInterrupt):  # uvicorn repeats the signal once all is answered
        server.run(sockets=[listening])
    _say("stopped")


def _say(line: str) -> None:
    """Print a line; a full disk, where stdout is a file, is no reason to stop or not to start."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
