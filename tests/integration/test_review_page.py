"""The page of a review in a browser, wide and narrow: keys, selections, two tabs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("playwright.sync_api", reason="needs the extra browser")

import uvicorn
from playwright import sync_api as playwright

from relgen.common.sockets import listening_socket
from relgen.data.samples import Entity
from relgen.review.app import create_review_app
from relgen.review.session import Session
from tests.relgen.review.people import SAMPLES, session
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]


@pytest.fixture
def made(tmp_path: Path) -> Session:
    return session(tmp_path)


@pytest.fixture
def place(made: Session) -> Iterator[str]:
    """Serve a review in a thread, and return its address."""
    listening = listening_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_review_app(made), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture(params=[1280, 390])
def page(request: Any, place: str) -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        try:
            # Playwright's own, or the system's
            own = Path(tools.chromium.executable_path).exists()
            program = None if own else shutil.which("chromium")
            browser = tools.chromium.launch(executable_path=program)
        except playwright.Error as error:
            pytest.skip(f"`playwright install chromium` gets it: {str(error).splitlines()[0]}")
        context = browser.new_context(viewport={"width": request.param, "height": 800})
        opened = context.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda said: said.type == "error" and problems.append(said.text))
        opened.goto(f"{place}/?reviewer=ann")
        yield opened
        browser.close()
    assert problems == []


SELECT = """([start, end]) => {
  const box = document.getElementById("text"), range = document.createRange();
  let place = 0;
  for (const part of box.childNodes) {
    const length = part.textContent.length;
    if (start >= place && start <= place + length) range.setStart(part.firstChild, start - place);
    if (end > place && end <= place + length) range.setEnd(part.firstChild, end - place);
    place += length;
  }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


def test_a_review_with_keys_and_the_mouse(page: Any, made: Session) -> None:
    expect = playwright.expect
    expect(page.locator("#text")).to_have_text(SAMPLES[1].text)
    assert page.locator("#text .head").inner_text() == "Acme"
    assert page.locator("#text .tail").inner_text() == "Ann"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # another relation, a comment, and accept
    page.keyboard.press("2")
    expect(page.locator("#relations [aria-pressed=true]")).to_contain_text("lives_in")
    page.keyboard.press("c")
    page.keyboard.type("h t x")  # keys of the page, which are text here
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("1 of 4 sentences")
    wait_until(lambda: "ann" in made.decisions["torn"])
    assert made.decisions["torn"]["ann"].relation == "lives_in"
    assert made.decisions["torn"]["ann"].comment == "h t x"
    # the next one: Bern, selected with the space before it, is the tail
    page.evaluate(SELECT, [29, 34])
    page.keyboard.press("t")
    expect(page.locator("#text .tail")).to_have_text("Bern")
    page.keyboard.press("s")
    expect(page.locator("#text .head")).to_have_text("Bern")
    page.click("text=Accept what is shown")
    expect(page.locator("#progress")).to_contain_text("2 of 4 sentences")
    wait_until(lambda: "ann" in made.decisions["unsure"])
    found = made.decisions["unsure"]["ann"]
    assert (found.head.start, found.head.end) == (29, 33)  # characters, not UTF-16 units
    assert found.tail == Entity(2, 6, "ORG")
    # what is the tail cannot be the head as well
    page.evaluate(SELECT, [22, 26])
    page.keyboard.press("h")
    expect(page.locator("#problem")).to_have_text("This is the tail: select another head.")
    expect(page.locator("#text .head")).to_have_text("Acme")
    page.keyboard.press("3")
    page.keyboard.press("c")
    page.keyboard.type("no relation at all")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator("#progress")).to_contain_text("3 of 4 sentences")
    expect(page.locator("#comment")).to_have_value("")
    page.keyboard.press("u")
    expect(page.locator("#progress")).to_contain_text("2 of 4 sentences")
    assert made.decisions["sure"] == {}
    # what was done is there to be changed
    expect(page.locator("#comment")).to_have_value("no relation at all")
    expect(page.locator("#relations [aria-pressed=true]")).to_contain_text("none")


MARK = """([role, start, end]) => {
  document.getElementById("own-text").setSelectionRange(start, end);
  document.getElementById(`own-${role}`).click();
}"""


def test_a_sentence_of_ones_own(page: Any, made: Session) -> None:
    expect = playwright.expect
    expect(page.locator("#text")).to_have_text(SAMPLES[1].text)
    page.keyboard.press("2")  # a change that is not decided on yet
    page.keyboard.press("w")
    page.keyboard.type("🙂 Ben lives in Rome.")
    page.evaluate(MARK, ["head", 3, 7])  # with the space after it
    page.click("text=Add this sentence")
    expect(page.locator("#problem")).to_have_text("Your sentence has no tail and no relation yet.")
    expect(page.locator("#problem")).to_be_in_viewport()  # the narrow page is scrolled down
    page.evaluate(MARK, ["tail", 3, 6])
    expect(page.locator("#problem")).to_have_text("This is the head: select another tail.")
    page.evaluate(MARK, ["tail", 16, 20])
    expect(page.locator("#own-facts")).to_have_text("head: Ben · tail: Rome")
    page.select_option("#own-relation", "lives_in")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("text=Add this sentence")
    expect(page.locator("#progress")).to_contain_text("1 written")
    expect(page.locator("#own-text")).to_have_value("")
    expect(page.locator("#relations [aria-pressed=true]")).to_contain_text("lives_in")
    (written,) = made.added.values()
    assert (written.text, written.relation) == ("🙂 Ben lives in Rome.", "lives_in")
    assert (written.head_text, written.tail_text, written.source) == ("Ben", "Rome", "human")
    # taken back, it is there to be changed
    page.click("text=Undo my last decision")
    expect(page.locator("#progress")).not_to_contain_text("written")
    expect(page.locator("#own-text")).to_have_value("🙂 Ben lives in Rome.")
    expect(page.locator("#own-facts")).to_have_text("head: Ben · tail: Rome")
    expect(page.locator("#relations [aria-pressed=true]")).to_contain_text("lives_in")
    # changed places are marked anew
    page.fill("#own-text", "Rome")
    expect(page.locator("#own-facts")).to_be_empty()


def test_a_pause_counts_as_a_minute(page: Any, place: str, made: Session) -> None:
    page.clock.install()
    page.goto(f"{place}/?reviewer=ann")
    playwright.expect(page.locator("#text")).to_have_text(SAMPLES[1].text)
    page.clock.fast_forward("00:40")
    page.keyboard.press("2")
    page.clock.fast_forward("03:00:00")
    page.keyboard.press("Enter")
    wait_until(lambda: "ann" in made.decisions["torn"])
    assert 100 <= made.decisions["torn"]["ann"].seconds < 130


def test_two_reviewers_see_each_others_progress(page: Any, place: str, made: Session) -> None:
    expect = playwright.expect
    other = page.context.new_page()
    other.goto(f"{place}/?reviewer=bob")
    expect(other.locator("#main")).to_be_visible()
    other.keyboard.press("Enter")
    expect(other.locator("#progress")).to_contain_text("bob 1")
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("ann 1")
    assert sum(len(given) for given in made.decisions.values()) == 2
