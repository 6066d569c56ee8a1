"""Answers to requests that cannot be used."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from relgen.common.errors import InputError
from relgen.common.http_errors import answer_input_errors, error_response


def test_input_errors_and_other_forms_are_one_line() -> None:
    app = FastAPI()
    answer_input_errors(app, lambda first: f"{first['loc'][-1]}: not usable")

    @app.get("/{number}")
    async def get(number: int) -> None:
        raise InputError("no such number", field="number", value=number)

    client = TestClient(app)
    expected = {"/3": "field 'number': no such number (got 3)", "/x": "number: not usable"}
    for path, detail in expected.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (422, {"detail": detail})


def test_what_a_client_sent_is_printable_and_short() -> None:
    answer = error_response(413, "\ud800" + "a" * 2000, {"Retry-After": "1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (413, "1")
    assert len(answer.body) < 1100
