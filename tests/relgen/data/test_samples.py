"""Samples files: round trips, what a malformed line says, bad records left out."""

import json
from dataclasses import replace

import pytest
from datasets import Dataset

from relgen.cli.main import main
from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import (
    UNLABELLED,
    Entity,
    Sample,
    check_samples,
    checked_samples,
    iter_samples,
    read_samples,
    write_samples,
)
from relgen.data.schema import Relation, load_schema, parse_schema
from relgen.data.validation import RecordChecks

ROW = {
    "id": "a",
    "text": "Ann lives in Bern.",
    "head": {"start": 0, "end": 3, "type": "PERSON"},
    "tail": {"start": 13, "end": 17, "type": None},
    "relation": "lives_in",
    "source": "human",
}
SCHEMA = parse_schema(
    {
        "name": "s",
        "negative": "none",
        "relations": {
            "lives_in": {"explanation": "The head lives in the tail."},
            "none": {"explanation": "Neither."},
        },
    }
)


def _write(path, *rows, encoding="utf-8", end="\n"):
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def test_reads_what_it_wrote(tmp_path):
    human = Sample("a", "Ann lives in Bern.", Entity(0, 3, "PERSON"), Entity(13, 17), "lives_in")
    made = Sample(
        "b", "Én Ö <tag> 𝄞", Entity(3, 4), Entity(0, 2), "none", "generated", {"model": "m"}
    )
    assert write_samples(tmp_path / "s.jsonl", [human, made]) == 2
    assert read_samples(tmp_path / "s.jsonl") == [human, made]
    assert (tmp_path / "s.jsonl").read_text("utf-8").splitlines()[0] == json.dumps(ROW)
    assert (human.head_text, human.tail_text) == ("Ann", "Bern")


def test_ids_types_and_sources_may_be_left_out(tmp_path):
    row = {
        "text": "Ann lives in Bern.",
        "head": {"start": 0, "end": 3},
        "tail": {"start": 13, "end": 17},
        "relation": "lives_in",
        "note": "keys that relgen does not know are ignored",
    }
    (sample,) = read_samples(_write(tmp_path / "mine.jsonl", "", row))
    assert sample == Sample("mine-2", ROW["text"], Entity(0, 3), Entity(13, 17), "lives_in")


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"text": None}, "text", "'text'"),
        ({"text": " "}, "text", "' '"),
        ({"text": 7}, "text", "7"),
        ({"text": "\ud800 Ann lives in Bern."}, "text", "\\ud800"),
        ({"id": ""}, "id", "''"),
        ({"id": 5}, "id", "5"),
        ({"relation": None}, "relation", "'relation'"),
        ({"relation": ["lives_in"]}, "relation", "['lives_in']"),
        ({"relation": "leaves_in"}, "relation", "'leaves_in'"),
        ({"source": 1}, "source", "1"),
        ({"provenance": "model"}, "provenance", "'model'"),
        ({"head": None}, "head", "'head'"),
        ({"head": [0, 3]}, "head", "[0, 3]"),
        ({"head": {"end": 3}}, "head.start", "['end']"),
        ({"head": {"start": "0", "end": 3}}, "head.start", "'0'"),
        ({"head": {"start": 0, "end": True}}, "head.end", "True"),
        ({"head": {"start": 0.0, "end": 3}}, "head.start", "0.0"),
        ({"tail": {"start": 13, "end": 17, "type": 3}}, "tail.type", "3"),
        ({"tail": {"start": 13, "end": 19}}, "tail", "[13, 19]"),
        ({"tail": {"start": -4, "end": 17}}, "tail", "[-4, 17]"),
        ({"tail": {"start": 13, "end": 13}}, "tail", "[13, 13]"),
        ({"tail": {"start": 9, "end": 10}}, "tail", "[9, 10]"),
    ],
)
def test_a_malformed_line_names_file_line_field_value_and_remedy(tmp_path, change, field, value):
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({**ROW, "id": "b", **change}) + "\n")
    with pytest.raises(InputError) as caught:
        read_samples(path, schema=SCHEMA)
    message = str(caught.value)
    assert message.startswith(f"{path}:2: field '{field}': ")
    assert f"(got {value}" in message or value in message.partition("(got")[2]
    assert message.endswith("--skip-bad") or "did you mean lives_in?" in message
    assert "\n" not in message


def test_what_is_missing_is_told_by_the_keys_of_the_line(tmp_path):
    path = _write(tmp_path / "s.jsonl", {"text": "Ann lives in Bern.", "label": "lives_in"})
    message = r"s\.jsonl:1: field 'head': missing \(got \['label', 'text'\]\)"
    with pytest.raises(InputError, match=message):
        read_samples(path)


def test_an_unknown_relation_names_the_nearest(tmp_path):
    path = _write(tmp_path / "s.jsonl", {**ROW, "relation": "live_in"})
    with pytest.raises(InputError, match=r"s\.jsonl:1: .*'live_in'.*did you mean lives_in\?"):
        read_samples(path, schema=SCHEMA)


def test_a_file_is_checked_to_its_last_label(tmp_path):
    path = _write(tmp_path / "test.jsonl", ROW, {**ROW, "id": "b", "relation": "lives-in"})
    check_samples(path, None)
    with pytest.raises(InputError, match=r"test\.jsonl:2: .*'lives-in'.*did you mean lives_in\?"):
        check_samples(path, SCHEMA)


@pytest.mark.parametrize("line", ["{", '"a"', "[1]", "nonsense"])
def test_lines_that_are_no_json_object(tmp_path, line):
    path = _write(tmp_path / "s.jsonl", ROW, line)
    with pytest.raises(InputError, match=r"s\.jsonl:2: .*JSON.*--skip-bad"):
        read_samples(path)


def test_all_malformed_lines_are_named(tmp_path):
    rows = [ROW, "{", {**ROW, "id": "b"}, {**ROW, "id": "c", "text": ""}]
    with pytest.raises(CombinedInputError) as caught:
        read_samples(_write(tmp_path / "s.jsonl", *rows))
    lines = str(caught.value).splitlines()
    assert [line.partition("s.jsonl:")[2][0] for line in lines] == ["2", "4"]
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize("bad", [9, 10, 11, 1030])
def test_ten_malformed_lines_are_named_and_others_counted(tmp_path, bad):
    with pytest.raises(CombinedInputError) as caught:
        read_samples(_write(tmp_path / "s.jsonl", *["{"] * bad))
    lines = str(caught.value).splitlines()
    named = min(bad, 10)
    assert [line.split(":")[1] for line in lines[:named]] == [str(n + 1) for n in range(named)]
    others = [f"{tmp_path / 's.jsonl'}: and {bad - 10} more like these"] if bad > 10 else []
    assert lines[named:] == others


def test_an_unknown_label_is_one_line(tmp_path):
    rows = [{**ROW, "id": str(n), "relation": f"r{n % 2}"} for n in range(1100)]
    with pytest.raises(CombinedInputError) as caught:
        read_samples(_write(tmp_path / "s.jsonl", *rows), schema=load_schema("everyday"))
    lines = str(caught.value).splitlines()
    assert [line.partition("s.jsonl:")[2][:2] for line in lines] == ["1:", "2:"]
    assert "(got 'r1')" in lines[1]
    assert "(and 549 more records like it)" in lines[1]


def test_candidates_where_relations_are_needed_are_one_line(tmp_path):
    rows = [{**ROW, "id": str(n), "relation": None} for n in range(300)]
    with pytest.raises(InputError) as caught:
        read_samples(_write(tmp_path / "s.jsonl", *rows))
    assert str(caught.value).endswith(
        "; label it (relgen review, relgen label), or leave such samples out: relgen data convert "
        "--skip-bad (and 299 more records like it)"
    )


def test_nothing_is_yielded_after_an_error(tmp_path):
    path = _write(tmp_path / "s.jsonl", ROW, "{", {**ROW, "id": "b"})
    samples = iter_samples(path)
    assert next(samples).id == "a"
    with pytest.raises(InputError, match=":2:"):
        next(samples)


def test_skip_bad_leaves_out_and_counts(tmp_path):
    path = _write(tmp_path / "s.jsonl", ROW, "{", ROW, {**ROW, "id": "b"})
    checks = RecordChecks(path, skip_bad=True)
    assert [sample.id for sample in checked_samples(checks)] == ["a", "b"]
    assert (checks.read, checks.skipped) == (2, 2)
    assert str(checks.problems[0]).startswith(f"{path}:2: not valid JSON")


def test_a_file_of_bad_lines_only_raises_even_with_skip_bad(tmp_path):
    with pytest.raises(InputError, match="all 2 records are malformed"):
        read_samples(_write(tmp_path / "s.jsonl", "{", "{"), skip_bad=True)


def test_an_id_that_stands_twice(tmp_path):
    path = _write(tmp_path / "s.jsonl", ROW, "", ROW)
    with pytest.raises(InputError, match=r"s\.jsonl:3: field 'id': the same id as line 1"):
        read_samples(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file(tmp_path, content):
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"s\.jsonl: no records are in this file; give a file"):
        read_samples(path)


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    path = _write(tmp_path / "s.jsonl", ROW, {**ROW, "id": "b"}, encoding="utf-8-sig", end="\r\n")
    assert [sample.id for sample in read_samples(path)] == ["a", "b"]


def test_unicode_line_separators_do_not_end_a_line(tmp_path):
    row = {**ROW, "text": "Ann lives in Bern.\u2028\x85Yes."}
    assert read_samples(_write(tmp_path / "s.jsonl", row))[0].text == row["text"]


def test_latin_1_names_the_line_and_the_remedy(tmp_path):
    path = _write(tmp_path / "s.jsonl", ROW, {**ROW, "text": "Zoë in Bern"}, encoding="latin-1")
    with pytest.raises(InputError, match=r"s\.jsonl:2: not UTF-8.*iconv -f ENCODING -t utf-8"):
        read_samples(path)


def test_with_relation_changes_the_label_only():
    sample = Sample.from_json(ROW)
    assert sample.with_relation("none").to_json() == {**ROW, "relation": "none"}


SCORES = {"lives_in": 0.3, "none": 0.7}


def test_a_relation_that_its_scores_contradict_needs_a_mark_of_review(tmp_path):
    row = {**ROW, "scores": SCORES}
    path = _write(tmp_path / "s.jsonl", {**row, "id": "agrees", "relation": "none"}, row)
    with pytest.raises(InputError) as refused:
        read_samples(path)
    assert str(refused.value) == (
        f"{path}:2: field 'relation': the most probable of `scores` is 'none' (got 'lives_in'); if "
        'a person set it, say who: "review": {"reviewer": "NAME"} (relgen review does), or remove '
        "`scores`"
    )
    _write(path, {**row, "review": {"reviewer": "ann", "seconds": 4}})
    (sample,) = read_samples(path)
    assert (sample.relation, sample.review) == ("lives_in", {"reviewer": "ann", "seconds": 4})
    assert sample.to_json() == {**row, "review": {"reviewer": "ann", "seconds": 4}}
    assert sample.with_relation("none").to_json() == {**ROW, "relation": "none"}


def test_those_that_a_person_rejected_stay_in_the_file_only(tmp_path):
    bare = {key: value for key, value in ROW.items() if key != "relation"}
    no = {**bare, "id": "no", "review": {"reviewer": "ann", "decision": "rejected"}}
    path = _write(tmp_path / "s.jsonl", no, {**ROW, "id": "yes"})
    assert [one.id for one in read_samples(path)] == ["yes"]
    first, second = iter_samples(path, rejected=True)
    assert (first.relation, first.to_json(), second.id) == (UNLABELLED, no, "yes")
    # the first that is not rejected says whether relations are needed
    line = ["data", "convert", str(path), "--format", "jsonl", "--out", f"{tmp_path}/o.jsonl"]
    assert main(line) == 0
    assert list(iter_samples(tmp_path / "o.jsonl", rejected=True)) == [first, second]
    _write(path, no, {**bare, "id": "yes"})
    with pytest.raises(InputError, match=r"s\.jsonl:2: field 'relation': missing"):
        read_samples(path)
    _write(path, no)
    assert read_samples(path) == []


def test_scores_contradict_no_relation_that_is_not_read(tmp_path):
    row = {key: value for key, value in ROW.items() if key != "relation"} | {"scores": SCORES}
    path = _write(tmp_path / "s.jsonl", row)
    (sample,) = iter_samples(path, labelled=False)
    assert sample.scores == SCORES


@pytest.mark.parametrize(
    ("review", "problem"),
    [
        ("ann", r"field 'review': must be {\"reviewer\": \"NAME\", …}"),
        ({}, r"field 'review\.reviewer': missing"),
        ({"reviewer": " "}, r"field 'review\.reviewer': must be a non-empty string"),
        ({"reviewer": "a\x1bb"}, "not printable"),
        ({"reviewer": "ann", "comment": 3}, r"field 'review\.comment': must be a text"),
        ({"reviewer": "ann", "seconds": "3"}, r"field 'review\.seconds': must be a number"),
    ],
)
def test_a_review_that_cannot_be_used(tmp_path, review, problem):
    with pytest.raises(InputError, match=problem):
        read_samples(_write(tmp_path / "s.jsonl", {**ROW, "review": review}))


@pytest.mark.parametrize(
    ("allowed", "kind"),
    [((), "PERSON"), (("PERSON", "ORG"), "PERSON"), (("ORG",), "ORG"), (("ORG", "X"), None)],
)
def test_types_that_a_relation_does_not_allow_are_replaced_or_removed(allowed, kind):
    sample = Sample.from_json(ROW)
    typed = sample.typed_for(Relation("r", "…", head_types=allowed, tail_types=("PLACE",)))
    assert typed == replace(sample, head=replace(sample.head, type=kind))  # no type is no error


def test_an_exchanged_sample_is_the_same_sentence_the_other_way_round():
    made = Sample("1", "Ann saw Bern.", Entity(0, 3, "PER"), Entity(8, 12), "sees")
    turned = made.exchanged({"sees": "seen", "seen": "sees"})
    assert turned == Sample("1/exchanged", made.text, made.tail, made.head, "seen")
    assert made.exchanged({"other": "other"}) is None


def test_probabilities_go_to_the_inverse_labels():
    inverses = {"sees": "seen", "seen": "sees", "none": "none"}
    scores = {"sees": 0.6, "seen": 0.3, "none": 0.1}
    made = Sample("1", "Ann saw Bern.", Entity(0, 3), Entity(8, 12), "sees", scores=scores)
    turned = made.exchanged(inverses)
    assert turned.scores == {"seen": 0.6, "sees": 0.3, "none": 0.1}
    assert turned.exchanged(inverses).scores == scores


def test_probabilities_of_labels_that_become_one_are_added():
    made = Sample("1", "Ann saw Bern.", Entity(0, 3), Entity(8, 12), "sees")
    made = replace(made, scores={"sees": 0.75, "owns": 0.25})
    turned = made.exchanged({"sees": "none", "owns": "none"})
    assert (turned.relation, turned.scores) == ("none", {"none": 1.0})


def test_a_guess_does_not_become_certain_by_exchange():
    """What is not known the other way round must not be shared out among the rest."""
    scores = {"sees": 0.4, "seen": 0.0, "none": 0.6}
    made = Sample("1", "Ann saw Bern.", Entity(0, 3), Entity(8, 12), "sees", scores=scores)
    assert made.exchanged({"sees": "seen", "seen": "sees"}) is None
    sure = replace(made, scores={"sees": 1.0, "seen": 0.0, "none": 0.0})
    assert sure.exchanged({"sees": "seen", "seen": "sees"}).scores == {"seen": 1.0}


def test_an_entity_is_counted_from_the_begin_of_its_sentence() -> None:
    assert Entity(12, 16, "ORG").counted_from(10) == Entity(2, 6, "ORG")


def test_a_parquet_file_has_the_same_keys(tmp_path):
    scored = {**ROW, "id": "b", "scores": {"lives_in": 0.9, "none": 0.1}}
    rows = [{**scored, "provenance": {"intended": "none", "step": None}, "group": "d"}, ROW]
    Dataset.from_list(rows).to_parquet(tmp_path / "s.parquet")
    second, first = read_samples(tmp_path / "s.parquet", schema=SCHEMA)
    assert first.to_json() == ROW
    assert second.to_json() == {**scored, "provenance": {"intended": "none"}, "group": "d"}
    Dataset.from_list([{**ROW, "relation": "eats"}]).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet: record \[1\]: .*eats"):
        read_samples(tmp_path / "s.parquet", schema=SCHEMA)


def test_parquet_is_written_by_its_ending(tmp_path):
    path = tmp_path / "s.parquet"
    bare = {key: value for key, value in ROW.items() if key != "relation"}
    scored = {**ROW, "id": "b", "scores": {"lives_in": 0.9, "none": 0.1}, "group": "d"}
    reviewed = {**ROW, "id": "c", "review": {"reviewer": "ann", "seconds": 2.5}}
    rows = [{**bare, "id": "d"}, {**scored, "provenance": {"intended": "none"}}, reviewed]
    written = [Sample.from_json(row, {"relation": UNLABELLED}) for row in rows]
    assert write_samples(path, written) == 3
    assert path.read_bytes()[:4] == b"PAR1"
    assert [sample.to_json() for sample in iter_samples(path, labelled=False)] == rows
    assert write_samples(path, written, replace=False) == 3
    with pytest.raises(InputError, match="would be replaced by other content"):
        write_samples(path, written[1:], replace=False)


def test_a_label_may_be_any_word(tmp_path):
    row = {**ROW, "relation": "unlabelled"}
    (sample,) = read_samples(_write(tmp_path / "s.jsonl", row))
    assert sample.relation != UNLABELLED
    assert sample.to_json() == row
