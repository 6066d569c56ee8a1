"""The HTTP application: its endpoints, limits and errors.

POST /predict    one sentence, or several
GET  /health     200 while the classifier answers, 503 otherwise
GET  /metrics    figures for Prometheus
GET  /           a page to try it, which loads nothing from elsewhere
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from relgen import __version__
from relgen.classifiers import local_folder
from relgen.common import answer_input_errors, error_response, read_json
from relgen.deployment.answers import answers_of
from relgen.deployment.batcher import Batcher, QueueFullError
from relgen.deployment.metrics import Metrics
from relgen.deployment.options import ServerLimits
from relgen.deployment.requests import (
    ErrorResponse,
    PredictRequest,
    PredictResponse,
    read_items,
)
from relgen.prediction import Predictor

_LOG = logging.getLogger(__name__)
_STUCK_SECONDS = 120
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_MENTION = 'a mention as written in the text, [start, end], or {"start", "end", "type"} is needed'
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": what}
    for status, what in {
        408: "The body did not arrive in time",
        413: "The body is too large",
        422: "The request cannot be used",
        500: "An error of the server",
        503: "The queue is full, or the server stops: try again",
    }.items()
}
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def create_app(predictor: Predictor, limits: ServerLimits) -> FastAPI:
    """Return the application that serves a predictor."""
    batcher = Batcher(
        answers_of(predictor),
        batch_sentences=limits.batch,
        queue_sentences=limits.queue,
        observe=lambda sentences, seconds: metrics.batch(sentences, seconds),
    )
    metrics = Metrics(lambda: batcher.waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(
        title=f"relgen: {predictor.classifier.schema.name}",
        version=__version__,
        description="Tells the relation between two entities of a sentence.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )

    @app.post("/predict", response_model=PredictResponse, responses=_ERRORS)
    async def predict(request: PredictRequest) -> Response:
        """Predict the relation of each sentence, or all relations in a raw text."""
        read = partial(
            read_items,
            request,
            max_sentences=limits.sentences,
            max_characters=limits.characters,
            raw=bool(predictor.options.entities),
        )
        # finding mentions in a megabyte takes seconds, in which others would wait
        items = await asyncio.to_thread(read)
        rows = [row for found in await batcher.predict(items) for row in found]
        metrics.predicted(row["relation"] for row in rows)
        return JSONResponse({"predictions": rows})

    _add_health(app, batcher, predictor)
    _add_pages(app, metrics)
    answer_input_errors(app, _problem)

    @app.exception_handler(QueueFullError)
    async def full(request: Request, error: QueueFullError) -> JSONResponse:
        problem = "too many sentences would wait; try again, or send fewer"
        return error_response(503, problem, {"Retry-After": "1"})

    app.add_middleware(Bodies, limits=limits, metrics=metrics)
    return app


def _add_health(app: FastAPI, batcher: Batcher, predictor: Predictor) -> None:
    """Add what says whether the server does its work, and with which weights."""
    config = read_json(local_folder(predictor.options.model) / "config.json")

    @app.get("/health")
    async def health() -> JSONResponse:
        """Say whether the classifier answers."""
        busy = 0.0 if batcher.busy_since is None else time.monotonic() - batcher.busy_since
        well = batcher.running and busy < _STUCK_SECONDS
        content = {
            "status": "ok" if well else "the classifier does not answer",
            "model": str(predictor.options.model),
            "weights": config["weights"],
            "relations": list(predictor.classifier.schema.labels),
            "entities": list(predictor.options.entities),
            "version": __version__,
            "waiting": batcher.waiting,
        }
        return JSONResponse(content, 200 if well else 503)


def _add_pages(app: FastAPI, metrics: Metrics) -> None:
    """Add what is read by Prometheus and by people."""

    @app.get("/metrics", include_in_schema=False)
    async def figures() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def _problem(first: Any) -> str:
    """Return what is wrong with a request, by pydantic's first error."""
    place, what = [str(part) for part in first["loc"][1:]], first["msg"]
    for role in ("head", "tail"):
        if role in place[:-1]:
            place, what = place[: place.index(role) + 1], _MENTION
    if first["type"] == "json_invalid":
        what = f"not JSON: {first['ctx']['error']} at character {place.pop()}"
    return f"{'.'.join(place)}: {what}" if place else what


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail


class Bodies:
    """Reads each request's body, within limits, before the application sees it; counts answers.

    A request whose client leaves is given up. Each answer has the request's id, as `X-Request-ID`.
    """

    def __init__(self, app: Any, limits: ServerLimits, metrics: Metrics) -> None:
        self.app = app
        self.limits = limits
        self.metrics = metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        begun, answered, mark = time.monotonic(), 0, _request_id(scope)

        async def count(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                headers = [*message["headers"], (b"x-request-id", mark.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            body = await self._body(receive)
            # JSON is all that is understood, whatever a client calls it
            kept = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
            scope = {**scope, "headers": [*kept, (b"content-type", b"application/json")]}
            work = asyncio.ensure_future(self.app(scope, _replay(body, receive), count))
            left = asyncio.ensure_future(receive())  # after the body, all that can come
            try:
                await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
                if not work.done() and not answered:
                    raise _RefusedError(499, "the client has left")
                await work
            finally:
                left.cancel()
                work.cancel()  # what waits in the queue is not computed
        except _RefusedError as error:
            await error_response(error.status, error.detail)(scope, receive, count)
        except Exception:
            _LOG.exception("error %s", mark)
            if not answered:
                detail = f"an error of the server; its log has the details of {mark}"
                await error_response(500, detail)(scope, receive, count)
        finally:
            seconds = time.monotonic() - begun
            self.metrics.request(answered, seconds)
            _LOG.info("%s %d %.3f s", mark, answered, seconds)

    async def _body(self, receive: Receive) -> bytes:
        """Return a request's body."""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _RefusedError(499, "the client has left")
                    body += message.get("body", b"")
                    if len(body) > self.limits.body_bytes:
                        most = f"the body has more than {self.limits.body_bytes} bytes"
                        raise _RefusedError(413, f"{most}; send several requests")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _RefusedError(408, "the body did not arrive in time") from None
        return bytes(body)


def _request_id(scope: Message) -> str:
    """Return the id that the client or a proxy gave to a request, or a new one."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:12]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what first yields the whole body, and then what else the client sends."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return whole.pop() if whole else await receive()

    return replayed
