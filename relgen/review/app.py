"""The page's HTTP application: what is shown next, and what was decided.

GET  /            the page, which loads nothing from elsewhere
GET  /schema      the relations to choose from
GET  /state       the sample to decide on, and the progress
POST /decide      a decision; /undo takes the last one back, /later shows the next sample
POST /write       a sentence that the reviewer wrote

Offsets in requests and answers count UTF-16 units, as browsers do.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from relgen.common import InputError, answer_input_errors, error_response
from relgen.data import UNLABELLED, Entity, RelationSchema, Sample
from relgen.data.corpora import entity_at, in_utf16
from relgen.review.decisions import ConflictError, Decision
from relgen.review.session import Session

_HOSTS = ("127.0.0.1", "localhost")
_MOST_BYTES = 100_000
_MOST_SCORES = 4
Reviewer = Annotated[str, Field(max_length=60)]


class Who(BaseModel):
    """The person at the page."""

    reviewer: Reviewer


class ReviewedEntity(BaseModel):
    """An entity's place."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    type: str | None = None


class DecideRequest(Who):
    """A decision about a sample."""

    id: str
    accepted: bool
    relation: str | None
    head: ReviewedEntity
    tail: ReviewedEntity
    comment: Annotated[str, Field(max_length=2000)] = ""
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 0.0


class WriteRequest(Who):
    """A sentence that a person wrote."""

    text: Annotated[str, Field(max_length=5000)]
    relation: str
    head: ReviewedEntity
    tail: ReviewedEntity


def create_review_app(session: Session) -> FastAPI:
    """Return the application of a review; one process at a time may serve it."""
    app = FastAPI(title="relgen review", docs_url=None, redoc_url=None, openapi_url=None)
    html = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    headers = _headers(html)

    @app.middleware("http")
    async def only_from_here(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = _refused(request) or await answer(request)
        response.headers.update(headers)
        return response

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(html)

    @app.get("/schema")
    async def schema() -> list[dict[str, str]]:
        return _relations(session.schema)

    # one event loop, and no `await` inside: requests are answered one after the other
    @app.get("/state")
    async def state(reviewer: Reviewer) -> dict[str, Any]:
        return _state(session, reviewer)

    @app.post("/decide")
    async def decide(request: DecideRequest) -> dict[str, Any]:
        session.decide(_decision(session, request))
        return _state(session, request.reviewer)

    @app.post("/write")
    async def write(request: WriteRequest) -> dict[str, Any]:
        entities = _entities(request.text, request)
        session.write(request.reviewer, request.text, request.relation, **entities)
        return _state(session, request.reviewer)

    @app.post("/undo")
    async def undo(request: Who) -> dict[str, Any]:
        undone = session.undo(request.reviewer)
        written = _shown(session, undone) if isinstance(undone, Sample) else None
        return _state(session, request.reviewer) | {"written": written}

    @app.post("/later")
    async def later(request: Who) -> dict[str, Any]:
        session.postpone(request.reviewer)
        return _state(session, request.reviewer)

    answer_input_errors(app, _problem)

    @app.exception_handler(ConflictError)
    async def conflict(request: Request, error: ConflictError) -> JSONResponse:
        return error_response(409, str(error))

    return app


def _problem(first: Any) -> str:
    return f"{'.'.join(str(part) for part in first['loc'][1:])}: {first['msg']}"


def _headers(html: str) -> dict[str, str]:
    """Return headers that let the page run its own script only, and talk to this server only."""
    script = re.findall("<script>(.*?)</script>", html, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    policy = [
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _refused(request: Request) -> Response | None:
    """Return the answer to a request of another site, or of another host's name; or None.

    The name is checked since other sites can have a name that leads to this machine.
    """
    host = request.headers.get("host", "")
    if re.sub(r":\d+$", "", host) not in _HOSTS:
        return error_response(403, f"open the page as 127.0.0.1 or localhost, not as '{host}'")
    origin, site = (request.headers.get(name) for name in ("origin", "sec-fetch-site"))
    if origin not in (None, f"http://{host}") or site not in (None, "same-origin", "none"):
        return error_response(403, "a request of another site")
    if request.method == "POST":
        size = request.headers.get("content-length", "")
        if not (size.isascii() and size.isdecimal() and int(size) <= _MOST_BYTES):
            return error_response(413, f"a request has a length of at most {_MOST_BYTES} bytes")
    return None


def _relations(schema: RelationSchema) -> list[dict[str, str]]:
    """Return what the page shows of each relation."""
    return [
        {"name": one.name, "shown": one.shown, "explanation": one.explanation} for one in schema
    ]


def _state(session: Session, reviewer: str) -> dict[str, Any]:
    sample = session.current(reviewer)
    shown, undone = None, None
    if sample is not None:
        shown, draft = _shown(session, sample), session.undone.get((reviewer, sample.id))
        if draft is not None:
            ends = {role: _in_units(sample.text, getattr(draft, role)) for role in ("head", "tail")}
            undone = {"relation": draft.relation, "comment": draft.comment, **ends}
    return {"sample": shown, "undone": undone, "progress": session.progress()}


def _shown(session: Session, sample: Sample) -> dict[str, Any]:
    """Return what the page shows of a sample, with offsets in UTF-16 units."""
    text, read = sample.text, sample.scores or session.guesses.get(sample.id) or {}
    scores = sorted(read.items(), key=lambda pair: -pair[1])[:_MOST_SCORES]
    intended = (sample.provenance or {}).get("intended")
    return {
        "id": sample.id,
        "text": text,
        "head": _in_units(text, sample.head),
        "tail": _in_units(text, sample.tail),
        "relation": None if sample.relation == UNLABELLED else sample.relation,
        "intended": intended if isinstance(intended, str) else None,
        "scores": scores,
        "source": sample.source,
    }


def _in_units(text: str, entity: Entity) -> dict[str, Any]:
    start, end = in_utf16(text, entity)
    return {"start": start, "end": end, "type": entity.type}


def _decision(session: Session, request: DecideRequest) -> Decision:
    """Return a request's decision, with offsets in characters."""
    sample = session.samples.get(request.id)
    if sample is None:
        raise InputError("no such sample", field="id", value=request.id)
    return Decision(
        request.id,
        sample.text,
        request.reviewer,
        request.accepted,
        request.relation,
        **_entities(sample.text, request),
        comment=request.comment.strip(),
        seconds=request.seconds,
    )


def _entities(text: str, request: DecideRequest | WriteRequest) -> dict[str, Entity]:
    """Return a request's entities, with offsets in characters."""
    return {
        role: entity_at(text, span.start, span.end, unit="utf16", kind=span.type, field=role)[0]
        for role, span in (("head", request.head), ("tail", request.tail))
    }
