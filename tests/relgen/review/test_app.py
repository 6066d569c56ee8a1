"""The page's HTTP application: answers, offsets in UTF-16 units, who may ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from fastapi.testclient import TestClient

from relgen.data.samples import UNLABELLED, Entity
from relgen.review.app import create_review_app
from relgen.review.session import Session

from .people import SAMPLES, SCHEMA, sample, session

HERE = "http://127.0.0.1:8001"
ANN = {"reviewer": "ann"}


@pytest.fixture
def made(tmp_path: Path) -> Session:
    return session(tmp_path)


@pytest.fixture
def client(made: Session) -> Iterator[TestClient]:
    with TestClient(create_review_app(made), base_url=HERE) as client:
        yield client


def body(shown: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the page sends where a reviewer accepts what it shows."""
    kept = {key: shown[key] for key in ("id", "relation", "head", "tail")}
    return {**ANN, **kept, "accepted": True, "comment": "", "seconds": 2.5, **changes}


def test_a_sentence_is_shown_and_decided_on(client: TestClient, made: Session) -> None:
    answer = client.get("/state", params=ANN).json()
    shown = answer["sample"]
    assert shown == {
        "id": "torn",
        "text": SAMPLES[1].text,
        "head": {"start": 3, "end": 7, "type": "ORG"},  # the emoji is two units
        "tail": {"start": 23, "end": 26, "type": "PERSON"},
        "relation": "founded_by",
        "intended": None,
        "scores": [["founded_by", 0.4], ["lives_in", 0.4], ["none", 0.2]],
        "source": "generated",
    }
    assert answer["progress"]["total"] == 4
    answer = client.post("/decide", json=body(shown, relation="none", comment=" odd ")).json()
    assert (answer["sample"]["id"], answer["progress"]["kinds"]) == ("unsure", {"changed": 1})
    (decision,) = made.decisions["torn"].values()
    assert (decision.relation, decision.comment, decision.seconds) == ("none", "odd", 2.5)
    assert (decision.head, decision.tail) == (SAMPLES[1].head, SAMPLES[1].tail)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"start": 30, "end": 34}, Entity(29, 33)),  # Bern
        ({"start": 0, "end": 2}, Entity(0, 1)),  # the emoji itself
        ({"start": 3, "end": 12, "type": "X"}, Entity(2, 11, "X")),
        ({"start": 1, "end": 7}, None),  # begins inside of it
        ({"start": 7, "end": 7}, None),
        ({"start": 7, "end": 3}, None),
        ({"start": 30, "end": 99}, None),
    ],
)
def test_selections_are_counted_in_utf16_units(
    client: TestClient, made: Session, span: dict[str, Any], expected: Entity | None
) -> None:
    shown = client.get("/state", params=ANN).json()["sample"]
    answer = client.post("/decide", json=body(shown, tail=span))
    if expected is None:
        assert answer.status_code == 422
        assert "field 'tail'" in answer.json()["detail"]
        assert made.decisions["torn"] == {}
    else:
        assert made.decisions["torn"]["ann"].tail == expected


def test_undo_and_later(client: TestClient) -> None:
    shown = client.get("/state", params=ANN).json()["sample"]
    assert client.post("/decide", json=body(shown)).json()["sample"]["id"] == "unsure"
    answer = client.post("/undo", json=ANN).json()
    assert (answer["sample"], answer["written"]) == (shown, None)
    assert client.post("/later", json=ANN).json()["sample"]["id"] == "unsure"


def test_what_was_taken_back_is_there_to_be_changed(client: TestClient, tmp_path: Path) -> None:
    shown = client.get("/state", params=ANN).json()
    assert shown["undone"] is None
    bern = {"start": 30, "end": 34, "type": None}
    changes = {"relation": "none", "comment": "long and thoughtful", "tail": bern}
    client.post("/decide", json=body(shown["sample"], **changes))
    expected = {**changes, "head": shown["sample"]["head"]}
    answer = client.post("/undo", json=ANN).json()
    assert answer["undone"] == expected
    # after a kill as well
    with TestClient(create_review_app(session(tmp_path)), base_url=HERE) as again:
        states = [again.get("/state", params={"reviewer": name}).json() for name in ("ann", "bob")]
        assert [one["undone"] for one in states] == [expected, None]
    client.post("/decide", json=body(shown["sample"]))
    assert client.post("/undo", json=ANN).json()["undone"]["comment"] == ""


def test_the_guess_of_relgen_suggest_is_the_relation_read(tmp_path: Path) -> None:
    raw = sample("raw", relation=UNLABELLED)
    made = Session([raw], SCHEMA, tmp_path / "log", guesses={"raw": {"none": 0.4}})
    with TestClient(create_review_app(made), base_url=HERE) as client:
        shown = client.get("/state", params=ANN).json()["sample"]
    assert (shown["relation"], shown["scores"]) == (None, [["none", 0.4]])


def test_at_the_end_nothing_is_shown(client: TestClient) -> None:
    answer = client.get("/state", params=ANN).json()
    while answer["sample"]:
        answer = client.post("/decide", json=body(answer["sample"], accepted=False)).json()
    assert (answer["sample"], answer["progress"]["kinds"]) == (None, {"rejected": 4})


def test_two_reviewers(client: TestClient) -> None:
    bob = {"reviewer": "bob"}
    first = client.get("/state", params=ANN).json()["sample"]
    second = client.get("/state", params=bob).json()["sample"]
    assert (first["id"], second["id"]) == ("torn", "unsure")
    client.post("/decide", json=body(first))
    late = client.post("/decide", json=body(first, **bob))
    assert (late.status_code, late.json()) == (409, {"detail": "ann decided on it already"})
    progress = client.post("/decide", json=body(second, **bob)).json()["progress"]
    assert progress["reviewers"] == {"ann": 1, "bob": 1}


@pytest.mark.parametrize(
    ("path", "sent", "detail"),
    [
        ("/decide", {"id": "torn"}, "reviewer: Field required"),
        ("/decide", {"seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ("/decide", {"relation": "born_in"}, "not a relation of schema 's'"),
        ("/decide", {"id": "x"}, "no such sample"),
        ("/decide", {"comment": "x" * 3000}, "at most 2000 characters"),
        ("/later", {"reviewer": "x" * 61}, "at most 60 characters"),
        ("/later", {"reviewer": "\x1b"}, "not printable"),
    ],
)
def test_a_request_that_cannot_be_used(
    client: TestClient, made: Session, path: str, sent: dict[str, Any], detail: str
) -> None:
    whole = body(client.get("/state", params=ANN).json()["sample"])
    answer = client.post(path, json=sent if sent == {"id": "torn"} else {**whole, **sent})
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]
    assert made.decisions["torn"] == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8001"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8001"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/state?reviewer=ann", "/undo"])
def test_other_sites_and_names_are_refused(
    client: TestClient, made: Session, path: str, headers: dict[str, str]
) -> None:
    method = "POST" if path == "/undo" else "GET"
    answer = client.request(method, path, headers=headers, json=ANN if path == "/undo" else None)
    assert answer.status_code == 403
    assert "torn" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:9000", "Origin": "http://localhost:9000"},  # through a tunnel
        {"Origin": HERE, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},  # typed into the browser
    ],
)
def test_the_page_itself_may_ask(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/", headers=headers).status_code == 200
    assert client.post("/later", json=ANN, headers=headers).status_code == 200


def test_bodies_have_a_length_and_a_limit(client: TestClient) -> None:
    assert client.post("/undo", content=b" " * 100_001).status_code == 413
    assert client.post("/undo", content=iter([b"{}"])).status_code == 413  # chunked
    sent = {"Content-Type": "text/plain"}  # what a form of another site can send
    assert client.post("/undo", content=json.dumps(ANN), headers=sent).status_code == 422


def test_relations_come_with_their_explanations(client: TestClient) -> None:
    assert client.get("/schema").json()[0] == {
        "name": "founded_by",
        "shown": "founded_by",
        "explanation": "The head was founded by the tail.",
    }


class _References(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attributes:
            if name in ("src", "href", "action", "style") or name.startswith("on"):
                self.found.append((name, value or ""))


def test_the_page_loads_nothing_and_puts_text_in_as_text(client: TestClient) -> None:
    answer = client.get("/")
    page = files("relgen.review").joinpath("page.html").read_text(encoding="utf-8")
    assert answer.text == page
    read = _References()
    read.feed(page)
    assert (read.found, read.scripts) == ([], 1)
    assert not re.search(r"https?:|//\w+\.|@import|url\(|innerHTML|outerHTML|insertAdj|eval", page)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy


def test_hostile_text_is_data(tmp_path: Path) -> None:
    hostile = sample("</script><script>alert(1)</script>")
    with TestClient(
        create_review_app(session(tmp_path, samples=[hostile])), base_url=HERE
    ) as client:
        answer = client.get("/state", params=ANN)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()["sample"]["id"] == hostile.id
        assert hostile.id not in client.get("/").text


def test_a_sentence_is_written(client: TestClient, made: Session) -> None:
    head, tail = {"start": 3, "end": 6}, {"start": 16, "end": 20}
    own = {
        **ANN,
        "text": "🙂 Ben lives in Rome.",
        "relation": "lives_in",
        "head": head,
        "tail": tail,
    }
    answer = client.post("/write", json=own).json()
    assert answer["progress"]["written"] == 1
    assert answer["progress"]["reviewers"] == {"ann": 1}
    (written,) = made.added.values()
    assert (written.id, written.head, written.tail) == ("written-1", Entity(2, 5), Entity(15, 19))
    for wrong in (
        *({"relation": "x"}, {"tail": head | {"end": 99}}, {"tail": head}),
        *({"text": " "}, {"reviewer": ""}),
    ):
        assert client.post("/write", json={**own, **wrong}).status_code == 422
    assert client.post("/write", json=own).json()["progress"]["written"] == 1  # repeated
    assert len(made.added) == 1
    shown = client.post("/undo", json=ANN).json()["written"]
    assert {key: shown[key] for key in ("text", "relation")} == {
        key: own[key] for key in ("text", "relation")
    }
    assert (shown["head"], shown["tail"]) == (head | {"type": None}, tail | {"type": None})
