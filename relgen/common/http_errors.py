"""Answers of HTTP applications to what they cannot use: a status, and one line as `detail`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from relgen.common.errors import InputError, printable


def error_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    # a client's text may have what UTF-8 or a terminal cannot take
    return JSONResponse({"detail": printable(detail)[:1000]}, status, headers)


def answer_input_errors(app: FastAPI, problem: Callable[[Any], str]) -> None:
    """Answer InputErrors, and requests of another form, of which `problem` says what is wrong."""

    # FastAPI's own status and words for bytes that are no text, and for lists in lists in lists
    @app.exception_handler(400)
    async def unreadable(request: Request, error: Exception) -> JSONResponse:
        return error_response(422, "the body is not JSON in UTF-8, or is nested too deeply")

    @app.exception_handler(RequestValidationError)
    async def unusable(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(422, problem(error.errors()[0]))

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> JSONResponse:
        return error_response(422, str(error))
