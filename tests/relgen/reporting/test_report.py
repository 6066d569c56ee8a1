"""The two files: well-formed, nothing loaded from outside, nothing of a sample taken for HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.common.errors import InputError
from relgen.common.files import read_json, write_json
from relgen.reporting.report import write_report
from tests.relgen.reporting.fake_run import SENTENCES, make_run

pytestmark = pytest.mark.compute

VOID = {"meta", "br", "wbr", "img", "link", "hr", "input"}
LABELS = ("cause", "part", "origin", "none")


class _Page(HTMLParser):
    """Checks that tags are closed in order; collects attributes, tags, texts and table rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open) and "small" not in self.open:
            self.rows[-1][-1] += data
        if {"h1", "h2"} & set(self.open):
            self.headings[-1] += data


def _page(run: Path) -> _Page:
    return _Page(write_report(run)[0].read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), labels=LABELS)


def test_the_page_has_every_part_and_its_figures(run: Path) -> None:
    page = _page(run)
    assert page.headings == [
        "Mix 62.8 vs. human 58.6 micro-F1 on 572 test samples",
        "What was done",
        "Scores by arm",
        "F1 by relation",
        "Trust in the probabilities",
        "Confusion matrix of obo_dpo_mix",
        "Worst mistakes of obo_dpo_mix",
        "Diversity",
        "Learning",
        "Sentences side by side",
        "Beside the paper",
        "Drafts accepted and rejected",
        "To reproduce",
    ]
    rows = [[cell.strip() for cell in row] for row in page.rows]
    assert ["aao_mix", "61.4", "57.4", "63.4", "62.4", "60.4", "456", "3"] in rows
    assert ["mix, OBO", "67.92", "62.8"] in rows
    assert "relgen dpo fit -c dpo/smollm2 --model.model smollm2-135m-instruct" in page.text
    assert "python 3.11.9, relgen 0.1.0" in page.text
    # F1 and cosines, DPO, the classifier, its probabilities
    assert page.tags.count("svg") == 2 + 3 + 1 + 2
    assert ["human", "0.159", "25.0", "41.4"] in rows
    assert "A <b>storm</b>, no flood.cause (0.99) instead of none" in page.text


def test_the_page_loads_nothing(run: Path) -> None:
    page = _page(run)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
    assert [value for name, value in page.attributes if name in ("src", "href", "srcset")] == []
    assert "@import" not in page.text
    assert "url(" not in page.text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert ("content", "width=device-width, initial-scale=1") in page.attributes


def test_what_a_model_wrote_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.relgen.reporting import fake_run

    monkeypatch.setattr(fake_run, "SENTENCES", SENTENCES[::-1])  # the one with a script first
    html, markdown = write_report(make_run(tmp_path, labels=LABELS))
    assert "<script" not in html.read_text()
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html.read_text()
    assert "<script" not in markdown.read_text()
    assert "Is <head>" not in html.read_text()
    assert "<script>alert('x')</script> safe?" in _Page(html.read_text()).text


def test_names_are_text_too(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path, labels=("<b>x</b>", "part", "none"), corpus="<i>mine</i>"))
    assert not {"b", "i"} & set(page.tags)
    assert "<i>mine</i>" in page.text


def test_the_markdown_has_the_same_tables(run: Path) -> None:
    text = write_report(run)[1].read_text()
    assert text.startswith("# Mix 62.8 vs. human 58.6 micro-F1 on 572 test samples\n")
    assert (
        "| Arm | Micro-F1 | Macro-F1 | Official F1 | Precision | Recall | Train samples | Seeds |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n"
        "| human | 58.6 ± 0.5 | 54.6 ± 0.5 | 60.6 ± 0.5 | 59.6 ± 0.5 | 57.6 ± 0.5 | 152 | 3 |\n"
    ) in text
    assert "| obo_dpo_mix | **62.8** ± 0.5 | **58.8** ± 0.5 |" in text
    assert "| rejected: duplicate | 183 | 183 |" in text
    assert "- The **storm** of the old building led, after many weeks, to a costly *flood*." in text
    assert "| human only | 61.39 | 58.6 |" in text
    assert "1. A &lt;b&gt;**storm**&lt;/b&gt;, no *flood*. (cause, 0.99, instead of none)" in text
    assert "generator: {model: smollm2-135m-instruct, samples: 16}" in text


def test_a_bar_in_a_label_does_not_break_the_markdown_table(tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path, labels=("a|b", "part", "none")))[1].read_text()
    assert "| a\\|b |" in text


def test_one_seed_says_so(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path, seeds=(1,), labels=LABELS))
    assert "This is one seed, which cannot show significance." in page.text
    assert "One seed, so there is no deviation." in page.text


def test_results_alone_make_a_report(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path, files=False, official=False, corpus="everyday"))
    assert page.headings[1:] == [
        "What was done",
        "Scores by arm",
        "Diversity",
        "Drafts accepted and rejected",
        "To reproduce",
    ]
    assert "ublished" not in page.text


def test_what_needs_attention_comes_first(tmp_path: Path) -> None:
    folder = make_run(tmp_path, seeds=(1,), files=False)
    results = read_json(folder / "results.json")
    counts = {"wanted": 16, "accepted": 3, "drafts": 64, "tokens": 900}
    for row in results["arms"]:
        if row["arm"] == "aao_mix":
            made = {"<b>cause</b>": {**counts, "rejected": {"duplicate": 61}}}
            row["generation"] |= {"relations": made}
    write_json(folder / "results.json", results)
    html, markdown = write_report(folder)
    page = _Page(html.read_text())
    assert page.headings[1:3] == ["What to look at first", "What was done"]
    said = "aao: too few samples of <b>cause</b> (3 of 16): most rejected drafts are duplicate; "
    assert said in page.text
    assert "- aao: too few samples of " in markdown.read_text()
    _check_empty_lines(markdown.read_text())


def _check_empty_lines(markdown: str) -> None:
    """Check that an empty line, and no more, stands on both sides of every heading."""
    plain = re.sub(r"^(`{3,}).*?^\1$", "code", markdown, flags=re.DOTALL | re.MULTILINE)
    lines = plain.splitlines()
    at = [number for number, line in enumerate(lines) if re.match("#+ ", line)]
    assert len(at) >= 4
    assert [lines[number - 1] for number in at[1:]] == [""] * (len(at) - 1)
    assert [lines[number + 1] for number in at] == [""] * len(at)
    assert "\n\n\n" not in plain


def test_headings_stand_between_empty_lines(run: Path) -> None:
    _check_empty_lines(write_report(run)[1].read_text())


def test_relations_with_fewer_shots_and_relations_without_pairs_are_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path, arms=("human",), seeds=(1,), files=False)
    results = read_json(folder / "results.json")
    results |= {"shots": 8, "fewer_shots": {"cause": 4}}
    write_json(folder / "results.json", results)
    html, markdown = write_report(folder)
    assert "8 (cause 4)" in _Page(html.read_text()).text
    assert "8 (cause 4)" in markdown.read_text()
    folder = make_run(tmp_path / "sizes", arms=("human",), seeds=(1,), labels=LABELS)
    (path,) = folder.glob("stages/**/diversity.json")
    write_json(path, read_json(path) | {"sizes": {"cause": 2, "part": 3, "none": 1}})
    html, markdown = write_report(folder)
    for text in (_Page(html.read_text()).text, markdown.read_text()):
        assert "1 to 3" in text
        assert "human (none)" in text


def test_human_samples_alone_make_a_report(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path, arms=("human",), labels=LABELS))
    assert page.headings[0] == "human 58.6 micro-F1 on 572 test samples"
    assert "Drafts accepted and rejected" not in page.headings


def test_a_named_file_that_is_gone_is_said_to_be_missing(tmp_path: Path) -> None:
    run = make_run(tmp_path, seeds=(1,), labels=LABELS)
    (run / "stages/seed1/test-human/scores.json").unlink()
    assert "parts are left out: stages/seed1/test-human/scores.json" in _page(run).text


def test_licensed_sentences_are_in_neither_file(tmp_path: Path) -> None:
    run = make_run(tmp_path, seeds=(1,), labels=LABELS, show_human=False)
    human = run / "stages/seed1/human/train.jsonl"
    human.write_text(human.read_text().replace("costly", "banned"))
    for path in write_report(run):
        assert "banned" not in path.read_text()
    assert "own sentences are left out" in _page(run).text


def test_human_sentences_stay_out_when_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, seeds=(1,), labels=LABELS)
    human = run / "stages/seed1/human/train.jsonl"
    human.write_text(human.read_text().replace("costly", "banned"))
    shown = [path.read_text() for path in write_report(run)]
    hidden = [path.read_text() for path in write_report(run, human_sentences=False)]
    assert all("banned" in text for text in shown)
    assert not any("banned" in text for text in hidden)


@pytest.mark.parametrize("content", [None, {"arms": []}, {"arms": [{"arm": "human"}]}, []])
def test_a_folder_without_results_is_an_input_error(tmp_path: Path, content: object) -> None:
    if content is not None:
        write_json(tmp_path / "results.json", content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_only_reports_are_replaced(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path, arms=["human"], seeds=(1,), labels=LABELS)
    for _ in range(2):
        write_report(run)
    before = (run / "report.html").read_bytes()
    (run / name).write_text("# My report\n")
    with pytest.raises(InputError, match=rf"{name}: .*`relgen report` has not written it"):
        write_report(run)
    assert (run / name).read_text() == "# My report\n"
    assert name == "report.html" or (run / "report.html").read_bytes() == before


def test_the_command_prints_where_its_output_is(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["report", str(run), "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"Wrote {tmp_path}/report.html\nWrote {tmp_path}/report.md\n"
    assert (tmp_path / "report.html").is_file()
