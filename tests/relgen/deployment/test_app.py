"""The HTTP application: answers, limits, errors, figures."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from fastapi.testclient import TestClient

from relgen.classifiers.network import NetworkClassifier
from relgen.common.errors import InputError
from relgen.deployment.app import Bodies, create_app
from relgen.deployment.batcher import QueueFullError
from relgen.deployment.metrics import Metrics
from relgen.deployment.options import ServerLimits
from relgen.prediction.run import Predictor
from relgen.prediction.settings import PredictOptions

from .conftest import Save

pytestmark = pytest.mark.compute

ONE = {"text": "the storm caused the flood .", "head": "storm", "tail": "flood"}
LIMITS = ServerLimits(sentences=3, characters=60, body_bytes=700)


@pytest.fixture
def predictor(folder: Path) -> Predictor:
    return Predictor(PredictOptions(model=str(folder), input="", device="cpu", scores=True))


@pytest.fixture
def saved(predictor: Predictor) -> NetworkClassifier:
    return predictor.classifier


@pytest.fixture
def client(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(create_app(predictor, LIMITS), raise_server_exceptions=False) as client:
        yield client


def test_one_sentence_or_several(client: TestClient, saved: NetworkClassifier) -> None:
    expected = saved.predict("the storm caused the flood .", "storm", "flood")
    spans = {**ONE, "id": "x", "head": {"start": 4, "end": 9, "type": "T"}, "tail": [21, 26]}
    row = {**ONE, "relation": "cause", "source": "human"}
    for body, ids in ((ONE, ["0"]), ({"samples": [ONE, spans, row]}, ["0", "x", "2"])):
        answer = client.post("/predict", json=body)
        assert answer.status_code == 200
        found = answer.json()["predictions"]
        assert [one["id"] for one in found] == ids
        for one in found:
            assert (one["relation"], sorted(one)) == (
                expected.relation,
                ["head", "id", "probability", "relation", "scores", "tail", "text"],
            )
            assert one["scores"] == pytest.approx(dict(expected.scores), abs=1e-5)
    assert client.post("/predict", json={**ONE, "head": "mud"}).status_code == 422


def test_raw_text_has_a_row_for_each_relation(save: Save, tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text("storm\tTHING\nflood\tTHING\nmud\tTHING\n")
    options = PredictOptions(
        model=str(save("positive")),
        input="",
        device="cpu",
        entities=[f"gazetteer:{tmp_path / 'names.tsv'}"],
        scores=True,
    )
    app = create_app(Predictor(options, most_pairs=4), LIMITS)
    with TestClient(app) as client:
        raw = {"id": "x", "text": "Wind. The storm caused the flood. No more."}
        answer = client.post("/predict", json={"samples": [ONE, raw]})
        first, *rows = answer.json()["predictions"]
        assert (first["id"], first["head"]["text"], "offset" in first) == ("0", "storm", False)
        assert {row["id"] for row in rows} <= {"x/1", "x/2"}
        assert {(row["document"], row["offset"], row["text"]) for row in rows} == {
            ("x", 6, "The storm caused the flood.")
        }
        answer = client.post("/predict", json={"text": "the storm , the flood and the mud ."})
        assert answer.status_code == 422
        assert "more than 4 pairs of entities" in answer.json()["detail"]
        # two texts that fit alone: a limit of the request's sum
        answer = client.post("/predict", json={"samples": [raw] * 3})
        assert answer.status_code == 422
        assert client.get("/health").json()["entities"] == options.entities


def test_what_curl_sends_is_understood(client: TestClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/predict", content=json.dumps(ONE), headers=form).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ("{", 422, "not JSON: Expecting property name enclosed in double quotes at character 1"),
        ("", 422, "Field required"),
        ("[" * 600, 422, None),
        (b'{"text": "caf\xe9"}', 422, "the body is not JSON in UTF-8"),
        ("[]", 422, None),
        ({}, 422, "samples: Field required"),
        ({"samples": []}, 422, "field 'samples': a request has 1 to 3 sentences (got 0); send"),
        ({"samples": [ONE] * 4}, 422, "a request has 1 to 3 sentences (got 4)"),
        ({"text": "x" * 61, "head": "a", "tail": "b"}, 422, "field 'text': longer than 60 char"),
        ({"text": "a b", "head": "a"}, 422, "samples.0: field 'tail': is missing; raw text needs"),
        ({"text": "a b"}, 422, "field 'head': is missing; raw text needs a server with --entities"),
        ({**ONE, "head": {"start": "x"}}, 422, "samples.0.head: a mention as written in the text"),
        ({**ONE, "head": "mud"}, 422, "samples.0: field 'head': the mention is not in the text"),
        ({**ONE, "head": "the"}, 422, "the mention is in the text 2 times, at [0, 17]"),
        ({**ONE, "head": [4, 99]}, 422, "offsets must satisfy"),
        ({**ONE, "head": "\ud800"}, 422, "the mention is not in the text"),
        ({**ONE, "id": "\ud800"}, 422, "samples.0: field 'id'"),
        ("x" * 701, 413, "the body has more than 700 bytes; send several requests"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(
    client: TestClient, body: Any, status: int, detail: str | None
) -> None:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = client.post("/predict", content=content)
    assert answer.status_code == status, answer.text
    said = answer.json()["detail"]
    assert "\n" not in said
    assert "Traceback" not in said
    if detail is not None:
        assert detail in said
    assert client.post("/predict", json=ONE).status_code == 200


def test_an_error_of_the_server_shows_the_client_nothing_of_it(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def broken(samples: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(NetworkClassifier, "predict_samples", lambda self, samples: broken(samples))
    with TestClient(create_app(predictor, LIMITS)) as failing:
        answer = failing.post("/predict", json=ONE)
    assert answer.status_code == 500
    said = answer.json()["detail"]
    assert "secret" not in said
    (mark,) = [word for word in said.split() if len(word) == 12]
    assert f"error {mark}" in caplog.text
    assert "ZeroDivisionError: secret" in caplog.text


def test_an_answer_names_its_request_and_the_log_does(client: TestClient, caplog: Any) -> None:
    caplog.set_level(logging.INFO, logger="relgen")
    given = {"X-Request-ID": "proxy-7"}
    assert client.post("/predict", json=ONE, headers=given).headers["x-request-id"] == "proxy-7"
    refused = client.post("/predict", json={}, headers={"X-Request-ID": "two words"})
    assert re.fullmatch("[0-9a-f]{12}", refused.headers["x-request-id"])
    assert re.search(r"^proxy-7 200 \d+\.\d{3} s$", "\n".join(caplog.messages), re.MULTILINE)
    assert re.search(f"^{refused.headers['x-request-id']} 422 ", "\n".join(caplog.messages), re.M)


def test_mentions_are_looked_for_beside_the_event_loop(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        raise InputError("read")

    monkeypatch.setattr("relgen.deployment.app.read_items", read)
    answer = client.post("/predict", json=ONE)
    assert (answer.status_code, answer.json()) == (422, {"detail": "read"})


def test_a_full_queue_asks_to_try_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: object, samples: object) -> None:
        raise QueueFullError

    monkeypatch.setattr("relgen.deployment.batcher.Batcher.predict", full)
    answer = client.post("/predict", json=ONE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_health_and_figures(client: TestClient, saved: NetworkClassifier) -> None:
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert health.json()["relations"] == ["cause", "part", "none"]
    assert re.fullmatch("[0-9a-f]{16}", health.json()["weights"])
    client.post("/predict", json={"samples": [ONE, ONE]})
    client.post("/predict", json={})
    relation = saved.predict(ONE["text"], "storm", "flood").relation
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'relgen_requests_total{status="200"} 1.0',
        'relgen_requests_total{status="422"} 1.0',
        "relgen_request_seconds_count 2.0",
        f'relgen_predictions_total{{relation="{relation}"}} 2.0',
        'relgen_batch_sentences_bucket{le="2.0"} 1.0',
        "relgen_batch_sentences_sum 2.0",
        "relgen_queue_sentences 0.0",
    ):
        assert line in lines


def test_health_fails_when_nothing_computes(predictor: Predictor) -> None:
    # without the lifespan, as after its task has died
    answer = TestClient(create_app(predictor, LIMITS)).get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "the classifier does not answer"


def test_the_page_and_the_description_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert "text/html" in page.headers["content-type"]
    assert "//" not in page.text.replace("<!doctype", "")
    api = client.get("/openapi.json").json()
    assert sorted(api["paths"]) == ["/health", "/predict"]
    assert sorted(api["paths"]["/predict"]["post"]["responses"]) == [
        *("200", "408", "413", "422", "500", "503")
    ]
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """Nor is one whose sender has left; what is being answered then is given up."""
    given_up = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.Future()
        finally:
            given_up.append(True)

    async def answer(*messages: dict[str, Any]) -> tuple[int, bool]:
        waiting, sent = list(messages), []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else await asyncio.Future()

        async def send(message: Any) -> None:
            sent.append(message)

        limits = ServerLimits(body_seconds=0.01)
        scope = {"type": "http", "method": "POST", "headers": []}
        await Bodies(app, limits, Metrics(lambda: 0))(scope, receive, send)
        await asyncio.to_thread(bool)  # other tasks run first
        return sent[0]["status"], bool(given_up)

    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert asyncio.run(answer(part)) == (408, False)
    assert asyncio.run(answer(part, {"type": "http.disconnect"})) == (499, False)
    whole = {**part, "more_body": False}
    assert asyncio.run(answer(whole, {"type": "http.disconnect"})) == (499, True)
