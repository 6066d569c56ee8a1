"""brat's standoff."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

TEXT = "It rained.\nKite Press was founded by Olu Ade.\n"
LINES = [
    "T1\tORG 11 21\tKite Press",
    "T2\tPER 37 44\tOlu Ade",
    "R1\tfounded_by Arg1:T1 Arg2:T2\t",
    "A1\tNegation R1",
    "*\tEquiv T1 T2",
    "#1\tAnnotatorNotes T1\tcheck",
]
READ = reader("brat")


def _write(folder: Path, *lines: str, text: str = TEXT) -> Path:
    (folder / "a").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "doc.txt").write_bytes(text.encode("utf-8"))
    path = folder / "a" / "doc.ann"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_folder_and_a_file(tmp_path: Path) -> None:
    path = _write(tmp_path, *LINES)
    sample = Sample(
        "a/doc-1",
        "Kite Press was founded by Olu Ade.",
        Entity(0, 10, "ORG"),
        Entity(26, 33, "PER"),
        "founded_by",
        group="a/doc",
    )
    assert list(READ(tmp_path)) == [sample]
    assert [each.id for each in READ(path)] == ["doc-1"]


def test_gaps_and_events_are_counted(tmp_path: Path) -> None:
    text = "North and South Korea met Ann.\n"
    lines = ["T1\tLOC 0 5;16 21\tNorth Korea", "T2\tPER 26 29\tAnn", "R1\tmet Arg1:T1 Arg2:T2"]
    events = ["E1\tMeet:T2 Who:T1", "E2\tMeet:T2 Who:T1"]
    path = _write(tmp_path, *lines, *events, text=text)
    checks = RecordChecks(tmp_path)
    (sample,) = READ(tmp_path, checks=checks)
    assert sample.head_text == "North and South Korea"
    assert checks.noted() == [
        f"1 mention has gaps, which became part of them; the first: {path}:1",
        f"2 events were left out: a sample relates two entities; the first: {path}:4",
    ]


def test_a_relation_to_an_event_is_to_its_trigger(tmp_path: Path) -> None:
    # the relation stands before the event
    lines = ["T3\tFound 26 33\tfounded", "R2\tin Arg1:E1 Arg2:T2", "E1\tFound:T3 Who:T2"]
    path = _write(tmp_path, *LINES, *lines)
    checks = RecordChecks(tmp_path)
    _, second = READ(tmp_path, checks=checks)
    assert (second.head_text, second.tail_text, second.relation) == ("founded", "Olu Ade", "in")
    assert f"1 relation relates events, of which the triggers were taken; the first: {path}:8" in (
        checks.noted()
    )


def test_what_takes_part_in_an_event_is_not_negative(tmp_path: Path) -> None:
    names = ["Ann", "met", "Bo", "said", "Cy"]
    starts = [0, 4, 8, 11, 16]
    entities = [
        f"T{n}\tX {start} {start + len(name)}\t{name}"
        for n, (name, start) in enumerate(zip(names, starts, strict=True), start=1)
    ]
    events = ["E2\tSay:T4 Who:T5 What:E1", "E1\tMeet:T2 Who:T1", "*\tEquiv T3 T5"]
    _write(tmp_path, *entities, *events, text="Ann met Bo said Cy.\n")
    read = refused_at_the_end(READ(tmp_path, negative="none"), "no relation became a sample")
    found = [f"{s.head_text} {s.tail_text}" for s in read]
    assert found == ["Ann Bo", "Ann said", "Ann Cy", "met Bo", "Bo said"]


def test_offsets_without_the_carriage_returns_of_windows(tmp_path: Path) -> None:
    _write(tmp_path, *LINES, text=TEXT.replace("\n", "\r\n"))
    checks = RecordChecks(tmp_path)
    (sample,) = READ(tmp_path, checks=checks)
    assert (sample.head_text, sample.tail_text) == ("Kite Press", "Olu Ade")
    assert "count a Windows line break as one character: converted" in checks.noted()[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T3 ORG 0 2 It", ":4: must be T1<TAB>TYPE 0 10<TAB>text"),
        ("R2\tr Arg1:T1", ":4: must be R1<TAB>relation Arg1:T1 Arg2:T2"),
        ("R2\tr Arg1:T1 Arg2:T8", ":4: .*no such entity .got 'T8'"),
        ("T3\tORG 11 21\tOlu Ade\nR2\tr Arg1:T3 Arg2:T1", r":5: .*it is in the text at \[37, 44\]"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = _write(tmp_path, *LINES[:3], line)
    with pytest.raises(InputError, match=f"^{path}{message}"):
        list(READ(tmp_path))


def test_what_is_malformed_is_named_in_each_file(tmp_path: Path) -> None:
    paths = [_write(tmp_path / name, *LINES[:3], "R2\tr", "T3\tX") for name in "ab"]
    with pytest.raises(InputError) as refused:
        list(READ(tmp_path))
    found = [line.rpartition(": must be")[0] for line in str(refused.value).splitlines()]
    assert found == [f"{path}:{number}" for path in paths for number in (4, 5)]


def test_a_missing_text(tmp_path: Path) -> None:
    _write(tmp_path, *LINES).with_suffix(".txt").unlink()
    with pytest.raises(InputError, match=r"doc\.txt: no such file"):
        list(READ(tmp_path))
