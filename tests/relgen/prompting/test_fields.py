"""Lines of named fields: written, read back, and rejected with a reason."""

from dataclasses import replace

import pytest

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation
from relgen.prompting.fields import FieldPromptWriter, read_fields, render_fields
from relgen.prompting.prompts import PLAIN

FOUNDED = Relation("founded_by", "…", ("ORGANIZATION",), ("PERSON", "GROUP"))
CAUSE = Relation("Cause-Effect(e1,e2)", "…")
ACME = Sample("1", "Ann founded\nAcme.", Entity(12, 16), Entity(0, 3, "GROUP"), "founded_by")
LINE = (
    "Relation: founded_by. Context: Ann founded Acme. Head Entity: Acme. "
    "Head Type: ORGANIZATION. Tail Entity: Ann. Tail Type: GROUP."
)


def test_written_on_one_line_with_the_schemas_types() -> None:
    assert render_fields(ACME, FOUNDED) == LINE
    rain = Sample("2", "Rain, then mud.", Entity(0, 4), Entity(11, 14), CAUSE.name)
    assert render_fields(rain, CAUSE) == (
        "Relation: Cause-Effect(e1,e2). Context: Rain, then mud. Head Entity: Rain. "
        "Head Type: ENTITY. Tail Entity: mud. Tail Type: ENTITY."
    )
    read = read_fields(render_fields(rain, CAUSE), CAUSE)
    assert isinstance(read, Sample)
    assert (read.head, read.tail) == (rain.head, rain.tail)


def test_read_back() -> None:
    read = read_fields(f"  {LINE} ", FOUNDED)
    assert read == Sample(
        "",
        "Ann founded Acme.",
        Entity(12, 16, "ORGANIZATION"),
        Entity(0, 3, "GROUP"),
        "founded_by",
        "generated",
    )


def fields(context: str, head: str, tail: str) -> str:
    return (
        f"Relation: founded_by. Context: {context} Head Entity: {head}. Head Type: ENTITY. "
        f"Tail Entity: {tail}. Tail Type: ENTITY."
    )


def test_a_relation_is_called_by_its_title() -> None:
    titled = replace(FOUNDED, name="P112", title="founded_by")
    assert render_fields(ACME, titled) == LINE
    read = read_fields(LINE, titled)
    assert isinstance(read, Sample)
    assert read.relation == "P112"
    assert read_fields(LINE.replace("founded_by", "P112"), titled) == "wrong_relation"


def test_whole_words_that_do_not_overlap_are_found() -> None:
    read = read_fields(
        fields("Annabel of Acme Labs met Ann, of Acme.", "Ann", "Acme Labs"), FOUNDED
    )
    assert isinstance(read, Sample)
    assert (read.head, read.tail) == (Entity(25, 28), Entity(11, 20))
    read = read_fields(fields("New York and York differ.", "New York", "York"), FOUNDED)
    assert isinstance(read, Sample)
    assert (read.head, read.tail) == (Entity(0, 8), Entity(13, 17))
    read = read_fields(fields("He leads U.S. Steel Inc. now.", "U.S. Steel Inc.", "He"), FOUNDED)
    assert isinstance(read, Sample)
    assert read.head_text == "U.S. Steel Inc."


@pytest.mark.parametrize(
    ("text", "head", "tail", "spans"),
    [
        ("王明和于红去年结婚了。", "王明", "于红", [(0, 2), (3, 5)]),
        ("민수는 서울에서 왔다.", "민수", "서울", [(0, 2), (4, 6)]),
        ("In C++ as in Java, C was old.", "Java", "C", [(13, 17), (19, 20)]),
    ],
)
def test_words_of_any_script_are_found(
    text: str, head: str, tail: str, spans: list[tuple[int, int]]
) -> None:
    read = read_fields(fields(text, head, tail), FOUNDED)
    assert isinstance(read, Sample)
    assert [read.head, read.tail] == [Entity(*span) for span in spans]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("Ann founded Acme.", "no_fields"),
        (LINE.replace(" Head Type: ORGANIZATION.", ""), "no_fields"),
        (LINE.replace("founded_by", "founded"), "wrong_relation"),
        (LINE.replace("Head Entity: Acme", "Head Entity: Acm"), "head_not_in_context"),
        (LINE.replace("Tail Entity: Ann", "Tail Entity: Bob"), "tail_not_in_context"),
        (LINE.replace("Tail Entity: Ann", "Tail Entity: Acme"), "same_entities"),
    ],
)
def test_rejected(raw: str, reason: str) -> None:
    assert read_fields(raw, FOUNDED) == reason


def test_the_prompt() -> None:
    writer = FieldPromptWriter(PLAIN, ("GROUP", "PERSON"))
    prompt = writer.prompt(FOUNDED, [ACME, ACME], 4)
    assert prompt.prefix.startswith("A sample for relation extraction gives a relation,")
    assert prompt.prefix.endswith(
        " Types: GROUP, PERSON. Write 4 more samples, one on each line, for the relation in the "
        'same form.\n\nSamples of the relation "founded_by":\n'
    )
    assert prompt.demonstrations == (f"{LINE}\n",) * 2
    assert prompt.cue == "\nNew:\n"
    assert "different" not in prompt.text  # no diversity instruction
    foreign = FieldPromptWriter(PLAIN, language="German").prompt(FOUNDED, [])
    assert "the same form. Write in German, the language of the samples shown." in foreign.text
    assert "Write one more sample for" in FieldPromptWriter(PLAIN).prompt(FOUNDED, []).text
