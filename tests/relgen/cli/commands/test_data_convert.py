"""`relgen data convert` on TACRED and its relatives: patches, names of labels, sizes."""

import csv
import gc
import json
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.data.corpora.everyday import read_split
from relgen.data.corpora.tacred import RETACRED, TACRED
from relgen.data.samples import read_samples, write_samples
from relgen.data.schema import load_schema
from tests.relgen.cli.commands.conftest import SEMEVAL_RECORD
from tests.relgen.cli.commands.data_command import run

RECORD = {
    "token": ["Ann", "-LRB-", "50", "-RRB-", "runs", "Acme"],
    "subj_start": 0,
    "subj_end": 0,
    "subj_type": "PERSON",
    "obj_start": 2,
    "obj_end": 2,
    "obj_type": "NUMBER",
    "relation": "per:age",
}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.json"
    tokens = RECORD["token"]
    rows = [{"id": key, **RECORD, "token": [*tokens, key]} for key in ("a", "b", "c")]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def convert(tmp_path, capsys):
    def converted(path, *options, form="tacred"):
        out = tmp_path / "s.jsonl"
        run("convert", "--format", form, path, "--out", out, "--force", *options)
        printed = capsys.readouterr()
        samples = [(sample.id, sample.relation) for sample in read_samples(out)]
        return samples, printed.out.splitlines()[:-1], printed.err.splitlines()

    return converted


def _patch(tmp_path, content):
    path = tmp_path / "patch.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def whole(monkeypatch):
    """As if the corpus of three samples were a whole split, which is nothing to warn of."""
    monkeypatch.setitem(TACRED, "dev", 3)


@pytest.mark.usefixtures("whole")
def test_tacred(tmp_path, corpus, convert):
    samples, said, warned = convert(corpus)
    assert samples == [("a", "per:age"), ("b", "per:age"), ("c", "per:age")]
    assert (said, warned) == ([], [])
    (first, *_) = read_samples(tmp_path / "s.jsonl", schema=load_schema("tacred"))
    assert (first.text, first.tail_text) == ("Ann ( 50 ) runs Acme a", "50")


@pytest.mark.usefixtures("whole")
def test_tacrevs_patch_keeps_the_other_labels(tmp_path, corpus, convert):
    patch = _patch(tmp_path, [{"id": "b", "relation": "no_relation"}])
    assert convert(corpus, "--labels", patch) == (
        [("a", "per:age"), ("b", "no_relation"), ("c", "per:age")],
        [
            "1 of the patch's 1 label applied",
            "2 samples that the patch does not name keep their labels, as with TACREV "
            "(--drop-unpatched leaves them out, as Re-TACRED does)",
        ],
        [],
    )


@pytest.mark.usefixtures("whole")
def test_retacreds_patch_drops_the_others(tmp_path, corpus, convert, monkeypatch):
    monkeypatch.setitem(RETACRED, "dev", 2)
    patch = _patch(tmp_path, {"a": "per:identity", "c": "no_relation"})
    dropped = (
        [("a", "per:identity"), ("c", "no_relation")],
        [
            "2 of the patch's 2 labels applied",
            "1 sample that the patch does not name left out (--no-drop-unpatched keeps them)",
        ],
        [],
    )
    assert convert(corpus, "--labels", patch) == dropped
    assert convert(corpus, "--labels", patch, "--drop-unpatched") == dropped
    samples, _, _ = convert(corpus, "--labels", patch, "--no-drop-unpatched")
    assert samples == [("a", "per:identity"), ("b", "per:age"), ("c", "no_relation")]


@pytest.mark.usefixtures("whole")
def test_ones_own_patch_drops_the_others_only_when_asked(tmp_path, corpus, convert):
    patch = _patch(tmp_path, {"a": "no_relation"})
    assert len(convert(corpus, "--labels", patch)[0]) == 3
    assert convert(corpus, "--labels", patch, "--drop-unpatched")[0] == [("a", "no_relation")]
    # corrections of converted samples, which may well have Re-TACRED's labels
    corrections = _patch(tmp_path, {"a": "per:identity"})
    convert(corpus)
    samples = (tmp_path / "s.jsonl").rename(tmp_path / "converted.jsonl")
    assert len(convert(samples, "--labels", corrections, form="jsonl")[0]) == 3


@pytest.mark.usefixtures("whole")
def test_ids_that_the_corpus_lacks_are_said_in_one_line(tmp_path, corpus, convert):
    patch = _patch(tmp_path, {"y": "per:age", "a": "per:age", "z": "per:age"})
    _, _, warned = convert(corpus, "--labels", patch)
    assert warned == [
        f"warning: {patch}: 2 ids of the patch missing in the corpus, the first 'y': a partial "
        "copy, or the patch of another split"
    ]


@pytest.mark.parametrize(
    ("others", "wrong", "name"),
    [
        ({"a": "no_relation"}, "per:agee", "tacred"),
        # Re-TACRED has no such label
        ({"a": "per:identity"}, "org:parents", "retacred"),
    ],
)
def test_labels_that_the_corpus_lacks_are_refused(tmp_path, corpus, convert, others, wrong, name):
    patch = _patch(tmp_path, {**others, "b": wrong})
    message = rf"field 'b': not a relation of schema '{name}'.*got '{wrong}'.*--rename '{wrong}="
    with pytest.raises(InputError, match=message) as caught:
        convert(corpus, "--labels", patch)
    assert str(caught.value).startswith(f"{patch}: ")
    assert not (tmp_path / "s.jsonl").exists()
    samples, _, _ = convert(corpus, "--labels", patch, "--rename", f"{wrong}=mine")
    assert ("b", "mine") in samples
    # corpora of which relgen knows no schema
    convert(corpus)
    converted = (tmp_path / "s.jsonl").rename(tmp_path / "converted.jsonl")
    assert convert(converted, "--labels", patch, form="jsonl")[0][1] == ("b", wrong)


def test_probabilities_are_renamed_with_the_labels(tmp_path, convert):
    row = {"text": "Ann in Bern", "head": {"start": 0, "end": 3}, "tail": {"start": 7, "end": 11}}
    path = tmp_path / "labelled.jsonl"
    scores = {"a": 0.3, "b": 0.45, "c": 0.25}
    path.write_text(json.dumps({**row, "relation": "b", "scores": scores}))
    # merged, the others have become the more probable label
    samples, _, _ = convert(path, "--rename", "a=x", "b=y", "c=x", form="jsonl")
    assert samples == [("labelled-1", "x")]
    samples, _, _ = convert(path, "--rename", "a=x", "b=y", form="jsonl")
    assert samples == [("labelled-1", "y")]
    assert read_samples(tmp_path / "s.jsonl")[0].scores == {"x": 0.3, "y": 0.45, "c": 0.25}


@pytest.mark.parametrize("option", ["--drop-unpatched", "--no-drop-unpatched"])
def test_dropping_and_keeping_need_a_patch(corpus, convert, option):
    with pytest.raises(InputError, match=r"'--drop-unpatched': nothing is patched.*--labels"):
        convert(corpus, option)


def test_a_conversion_does_not_write_over_what_it_reads(tmp_path, corpus, monkeypatch):
    patch = _patch(tmp_path, {"a": "no_relation"})
    monkeypatch.setenv("RELGEN_DATA", str(tmp_path))
    for path, out in ((corpus, corpus), ("corpus.json", corpus), (corpus, patch)):
        before = out.read_bytes()
        with pytest.raises(InputError, match="this is an input of the command"):
            run("convert", "--format", "tacred", path, "--labels", patch, "--out", out)
        assert out.read_bytes() == before


def test_an_unusual_size_is_a_warning(tmp_path, corpus, convert):
    expected = (
        f"warning: {corpus}: 3 samples, while TACRED has 22,631 (dev) and Re-TACRED 19,584 (dev): "
        "an incomplete or other copy"
    )
    samples, _, warned = convert(corpus, "--split-name", "dev")
    assert (len(samples), warned) == (3, [expected])
    named = corpus.rename(tmp_path / "train.json")
    _, _, (warning,) = convert(named)
    assert "while TACRED has 68,124 (train) and" in warning


@pytest.mark.usefixtures("whole")
def test_the_patched_size_is_looked_at_when_the_corpus_is_whole(tmp_path, corpus, convert):
    patch = _patch(tmp_path, {"a": "per:age"})
    options = ("--labels", patch, "--split-name", "dev")
    assert convert(corpus, *options)[2] == []
    assert convert(corpus, *options, "--drop-unpatched")[2] == [
        f"warning: {corpus}: the patch leaves 1 sample, while the dev split of Re-TACRED has "
        "19,584: an incomplete or other patch"
    ]
    # malformed records that were left out say nothing about the patch
    content = json.loads(corpus.read_text())
    corpus.write_text(json.dumps([*content[:2], {**content[2], "obj_end": 9}]))
    assert convert(corpus, *options, "--drop-unpatched", "--skip-bad")[2] == []


def test_another_name_for_the_negative_label(tmp_path, convert):
    row = {"token": ["Ann", "in", "Bern"], "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}}
    path = tmp_path / "train.txt"
    path.write_text(json.dumps({**row, "relation": "NA"}))
    convert(path, form="opennre")
    message = (
        r"s\.jsonl:1: .*'relation': not a relation of schema 'tacred' \(got 'NA'\); its negative "
        r"label is 'no_relation': convert the corpus with --rename NA=no_relation"
    )
    with pytest.raises(InputError, match=message) as caught:
        read_samples(tmp_path / "s.jsonl", schema=load_schema("tacred"))
    assert "\n" not in str(caught.value)
    renamed = ("--rename", "NA=no_relation", "--rename", "N=x")
    assert convert(path, *renamed, form="opennre") == (
        [("opennre-train-1", "no_relation")],
        [],
        ["warning: no sample has the label 'N', which --rename names"],
    )
    assert read_samples(tmp_path / "s.jsonl", schema=load_schema("tacred"))


@pytest.mark.parametrize("value", ["NA", "=x", "x="])
def test_renaming_needs_two_names(corpus, convert, value):
    with pytest.raises(InputError, match=rf"must be OLD=NEW \(got '{value}'\)"):
        convert(corpus, "--rename", value)


def test_labels_with_commas_and_equals_signs_can_be_renamed(corpus, convert):
    samples, _, _ = convert(corpus, "--rename", "per:age=Age(e1,e2)=x")
    assert samples[0] == ("a", "Age(e1,e2)=x")


def test_errors_of_the_command_line_are_one_line(tmp_path, corpus, capsys):
    content = json.loads(corpus.read_text())
    corpus.write_text(json.dumps([{**content[0], "obj_start": 9}]))
    arguments = ["data", "convert", "--format", "tacred", str(corpus), "--out"]
    assert main([*arguments, str(tmp_path / "s.jsonl")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "record a: field 'obj_start': token indices must satisfy" in line


def test_help_names_the_formats(capsys):
    with pytest.raises(SystemExit):
        run("convert", "--help")
    shown = capsys.readouterr().out
    for part in ("tacred      TACRED's train.json", "--drop-unpatched", "--rename NA=no_relation"):
        assert part in shown


def test_convert_writes_samples_and_says_where(tmp_path, semeval, capsys):
    out = tmp_path / "new" / "samples.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out)
    assert [s.id for s in read_samples(out)] == ["semeval-train-8", "semeval-train-9"]
    assert capsys.readouterr().out == f"2 samples of 1 relation -> {out}\n"


def test_convert_writes_parquet_that_relgen_reads(tmp_path, semeval):
    for name in ("s.jsonl", "s.parquet"):
        run("convert", "--format", "semeval", semeval, "--out", tmp_path / name)
    assert read_samples(tmp_path / "s.parquet") == read_samples(tmp_path / "s.jsonl")


def test_convert_applies_a_patch(tmp_path, semeval, capsys):
    patch = tmp_path / "patch.json"
    patch.write_text('{"semeval-train-9": "Other", "semeval-train-10": "Other"}')
    out = tmp_path / "s.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out, "--labels", patch)
    assert [s.relation for s in read_samples(out)] == ["Entity-Destination(e1,e2)", "Other"]
    assert "1 of the patch's 2 labels applied" in capsys.readouterr().out


def test_convert_finds_corpora_below_relgen_data(tmp_path, semeval, monkeypatch):
    monkeypatch.setenv("RELGEN_DATA", str(tmp_path))
    run("convert", "--format", "semeval", "TRAIN_FILE.TXT", "--out", tmp_path / "s.jsonl")
    assert len(read_samples(tmp_path / "s.jsonl")) == 2


def test_a_failed_conversion_leaves_the_old_file(tmp_path, semeval, capsys):
    out = tmp_path / "s.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out)
    before = out.read_bytes()
    semeval.write_text(SEMEVAL_RECORD + "junk\n\n" + SEMEVAL_RECORD.replace("8\t", "9\t", 1))
    with pytest.raises(InputError, match=r"TRAIN_FILE\.TXT:5: .*'junk'"):
        run("convert", "--format", "semeval", semeval, "--out", out)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *(".s.jsonl.written", "TRAIN_FILE.TXT", "s.jsonl")
    ]
    run("convert", "--format", "semeval", semeval, "--out", out, "--skip-bad")
    assert "1 malformed record left out, the first:" in capsys.readouterr().out


def test_convert_reads_every_format(tmp_path):
    (sample, *_) = read_split("train")
    write_samples(tmp_path / "a.jsonl", [sample])
    run("convert", "--format", "jsonl", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl")
    assert read_samples(tmp_path / "b.jsonl") == [sample]

    tokens = ["Ann", "in", "Bern"]
    row = {"token": tokens, "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}, "relation": "r"}
    (tmp_path / "o.txt").write_text(json.dumps(row))
    run("convert", "--format", "opennre", tmp_path / "o.txt", "--out", tmp_path / "o.jsonl")
    record = {"tokens": tokens, "h": ["ann", "Q1", [[0], [1]]], "t": ["bern", "Q2", [[2]]]}
    (tmp_path / "f.json").write_text(json.dumps({"r": [record]}))
    fewrel = ("convert", "--format", "fewrel", tmp_path / "f.json", "--out", tmp_path / "f.jsonl")
    run(*fewrel)
    for name in ("o", "f"):
        (read,) = read_samples(tmp_path / f"{name}.jsonl")
        assert (read.text, read.head_text, read.tail_text) == ("Ann in Bern", "Ann", "Bern")
    run(*fewrel, "--ambiguous", "all-pairs", "--force")
    assert len(read_samples(tmp_path / "f.jsonl")) == 2

    (tmp_path / "h.jsonl").write_text('{"s": "<e1>Ann</e1> in <e2>Bern</e2>", "relation": "r"}\n')
    hub = ("convert", "--format", "hub", tmp_path / "h.jsonl", "--out", tmp_path / "h2.jsonl")
    run(*hub, "--columns", "text=s", "--split-name", "val")
    assert read_samples(tmp_path / "h2.jsonl")[0].id == "val-1"


def test_columns_are_for_tables_only(tmp_path, semeval):
    arguments = ("convert", "--format", "semeval", semeval, "--out", tmp_path / "s.jsonl")
    with pytest.raises(
        InputError, match=r"'--columns': not for --format semeval.*use it with csv, tsv, "
    ):
        run(*arguments, "--columns", "text=a")
    with pytest.raises(InputError, match=r"must be KEY=VALUE \(got 'text'\)"):
        run(*arguments, "--columns", "text")


@pytest.mark.processes
def test_convert_keeps_memory_flat(tmp_path):

    row = {"token": ["Ann", "in", "Bern"] * 10, "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}}
    line = json.dumps({**row, "relation": "r"}) + "\n"
    peaks = []
    threshold = gc.get_threshold()
    gc.set_threshold(100)  # what the collector has not freed yet is no growth
    for count in (500, 5000):
        (tmp_path / "o.txt").write_text(line * count)
        tracemalloc.start()
        out = tmp_path / f"{count}.jsonl"
        run("convert", "--format", "opennre", tmp_path / "o.txt", "--out", out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    gc.set_threshold(*threshold)
    assert peaks[1] < peaks[0] + 200_000


@pytest.mark.processes
def test_the_actions_load_nothing_heavy(tmp_path, semeval):
    tacred, descriptions = tmp_path / "train.json", tmp_path / "pid2name.json"
    spans = {"subj_start": 0, "subj_end": 0, "obj_start": 2, "obj_end": 2}
    row = {"id": "a", "token": ["Ann", "in", "Bern"], **spans, "relation": "r"}
    tacred.write_text(json.dumps([row]))
    descriptions.write_text('{"P1": ["a", "b"], "P2": ["c", "d"]}')
    code = f"""
import sys
from relgen.cli import main
def run(*arguments):
    main.run(["data", *arguments])
run("convert", "--format", "semeval", {str(semeval)!r}, "--out", {str(tmp_path / "s.jsonl")!r})
run("everyday", "--out", {str(tmp_path / "e")!r})
run("split", {str(tmp_path / "e" / "train.jsonl")!r}, "--shots", "2", "--out", {str(tmp_path)!r})
run("convert", "--format", "tacred", {str(tacred)!r}, "--out", {str(tmp_path / "t.jsonl")!r})
run("schema", {str(descriptions)!r}, "--out", {str(tmp_path / "schema.yaml")!r})
heavy = {{"torch", "datasets", "transformers", "lightning", "pandas", "rich"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


CUT = [("Ann likes Bob today.", "Ann", "Bob"), ("😀 Änn ate und Łódź lag da.", "Änn", "Łódź")]
COUNTED = {
    "bytes": lambda text: len(text.encode()),
    "utf16": lambda text: len(text.encode("utf-16-le")) // 2,
    "inclusive": len,
}


@pytest.mark.parametrize("unit", [*COUNTED])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_offsets_of_another_unit_are_refused_with_its_name(tmp_path, capsys, unit, form):
    count, rows = COUNTED[unit], []
    for number, (text, *mentions) in enumerate(CUT):
        starts = [count(text[: text.index(mention)]) for mention in mentions]
        ends = [begin + count(m) for begin, m in zip(starts, mentions, strict=True)]
        rows.append([str(number), text, starts[0], ends[0] - (unit == "inclusive")])
        rows[-1] += [starts[1], ends[1] - (unit == "inclusive"), "r"]
    source, out = tmp_path / f"a.{form}", str(tmp_path / "o.jsonl")
    if form == "csv":
        head = "id,text,head_start,head_end,tail_start,tail_end,relation\n"
        source.write_text(head + "".join(",".join(map(str, row)) + "\n" for row in rows))
    else:
        lines = (
            {"id": i, "text": t, "head": {"start": a, "end": b}, "tail": {"start": c, "end": d}}
            for i, t, a, b, c, d, _ in rows
        )
        source.write_text("".join(json.dumps({**line, "relation": "r"}) + "\n" for line in lines))
    command = ["data", "convert", str(source), "--format", form, "--out", out]
    assert main(command) == 2
    cut = 2 if unit == "inclusive" else 1
    said = capsys.readouterr().err
    assert f"{source}: {cut} sample" in said
    assert "an entity that begins or ends inside a word or with white space, the first" in said
    assert f"; {cut} of them do not with --offsets {unit}; give --offsets {unit}, or" in said
    assert not (tmp_path / "o.jsonl").exists()
    assert main([*command, "--offsets", "characters"]) == 0
    assert main([*command, "--offsets", unit, "--force"]) == 0
    assert [(s.head_text, s.tail_text) for s in read_samples(out)] == [tuple(c[1:]) for c in CUT]


def test_offsets_of_several_units_are_counted_and_said(tmp_path, capsys):
    rows = [
        ("😀👍 Ada runs it that Ben founded", (5, 8), (22, 25)),  # UTF-16
        ("Mara runs it.\r\nHer brother Jon works.", (26, 29), (18, 25)),  # one for \r\n
        ("Ann met Bob.", (0, 4), (8, 11)),
        ("Ann met Bob.", (0, 3), (0, 3)),
    ]
    lines = (
        {"id": str(n), "text": text, "head": dict(zip(("start", "end"), head, strict=True))}
        | {"tail": dict(zip(("start", "end"), tail, strict=True)), "relation": "r"}
        for n, (text, head, tail) in enumerate(rows)
    )
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = str(tmp_path / "o.jsonl")
    assert main(["data", "convert", str(source), "--format", "jsonl", "--out", out]) == 0
    said = capsys.readouterr()
    assert "3 samples have an entity that begins or ends inside a word or with white" in said.err
    assert "1 record has the same head and tail; the first: record 3" in said.out


def test_offsets_beyond_the_text_are_refused(tmp_path, capsys):
    text = "😀👍🏽 Ada runs the bakery that Ben founded"  # in UTF-16 units
    row = {"id": "a", "text": text, "relation": "r"}
    row |= {"head": {"start": 20, "end": 26}, "tail": {"start": 36, "end": 43}}
    (tmp_path / "beyond.jsonl").write_text(json.dumps(row), encoding="utf-8")
    command = ["data", "convert", str(tmp_path / "beyond.jsonl"), "--format", "jsonl", "--out"]
    assert main([*command, str(tmp_path / "o.jsonl")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'beyond.jsonl'}:1: field 'tail': offsets must satisfy "
        "0 <= start < end <= 40, the text's length in characters (code points; "
        "relgen data convert --offsets reads other units) (got [36, 43]); "
        "correct it, or skip malformed records: relgen data convert --skip-bad\n"
    )


def test_raw_text_becomes_candidates(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("Kite Press pays Olu Ade. Olu Ade sleeps in Rome.\n")
    (tmp_path / "names.tsv").write_text("Kite Press\tORG\nOlu Ade\tPER\nRome\tLOC\n")
    (tmp_path / "s.yaml").write_text(
        "name: s\nnegative: none\nrelations:\n"
        "  pays: {explanation: x, head_types: [ORG], tail_types: [PER]}\n  none: {explanation: y}\n"
    )
    out = tmp_path / "o.jsonl"
    command = ("convert", "--format", "unmarked", tmp_path / "notes.txt", "--out", out)
    entities = ("--entities", f"gazetteer:{tmp_path / 'names.tsv'}")
    run(*command, *entities, "--schema", tmp_path / "s.yaml")
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row == {
        "id": "notes-1/1",
        "text": "Kite Press pays Olu Ade.",
        "head": {"start": 0, "end": 10, "type": "ORG"},
        "tail": {"start": 16, "end": 23, "type": "PER"},
        "source": "human",
        "group": "notes-1",
    }
    unnamed = "1 record has entities of type LOC, which the schema does not name"
    assert capsys.readouterr().out.splitlines() == [
        f"{unnamed} (rename it with --types LOC=…); the first: record notes-1",
        f"1 sample without a relation -> {out}",
    ]
    (tmp_path / "names.tsv").write_text("Kite Press\tFIRM\nOlu Ade\tPER\n")
    with pytest.raises(InputError, match="no sample is left: 1 record has entities of type FIRM"):
        run(*command, *entities, "--schema", tmp_path / "s.yaml")
    run(*command, *entities, "--schema", tmp_path / "s.yaml", "--types", "FIRM=ORG")
    assert json.loads(out.read_text()) == row
    with pytest.raises(InputError, match=r"'--schema': --entities needs it"):
        run(*command, *entities)
    with pytest.raises(
        InputError, match=r"'--entities': not for --format csv .*use it with unmarked"
    ):
        run("convert", "--format", "csv", tmp_path / "names.tsv", "--out", out, *entities)


def test_what_was_decided_is_said(tmp_path, capsys):
    rows = ["text,head,tail,relation", "Ann saw Ann and Bo,Ann,Bo,r", "Ann saw Bo,Ann,Bo,r"]
    (tmp_path / "t.csv").write_text("\n".join(rows), encoding="utf-8")
    arguments = ("convert", "--format", "csv", tmp_path / "t.csv", "--out", tmp_path / "o.jsonl")
    run(*arguments, "--ambiguous", "skip")
    assert capsys.readouterr().out.splitlines() == [
        "1 record was left out, since mentions occur several times; the first: line 2",
        f"1 sample of 1 relation -> {tmp_path / 'o.jsonl'}",
    ]


def test_repeated_pairs_and_pairs_of_several_labels_are_said(tmp_path, capsys):
    rows = ["text,head,tail,relation", *["Ann saw Bo,Ann,Bo,r"] * 3, "Ann saw Bo,Ann,Bo,none"]
    table, out = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text("\n".join(rows), encoding="utf-8")
    run("convert", "--format", "csv", table, "--out", out)
    assert [sample.id for sample in read_samples(out)] == ["t-2", "t-5"]
    said, several = capsys.readouterr(), "1 pair has several labels: none and r (1)"
    assert said.err == f"warning: {several}; the first: t-5\n"
    assert said.out.splitlines() == [
        "2 samples repeat a pair and its relation: left out; the first: record t-3",
        f"2 samples of 2 relations -> {out}",
    ]
    # lines of a corpus are taken as they are
    run("convert", "--format", "jsonl", out, "--out", tmp_path / "again.jsonl")
    run("split", out, "--shots", 1, "--out", tmp_path / "split")
    assert capsys.readouterr().err.count(f"warning: {several}; the first: t-5") == 2


def test_lines_without_relations_are_candidates(tmp_path, capsys):
    row = {"text": "Ann in Bern", "head": {"start": 0, "end": 3}, "tail": {"start": 7, "end": 11}}
    path, out = tmp_path / "a.jsonl", tmp_path / "o.jsonl"
    command = ("convert", "--format", "jsonl", path, "--out", out, "--force")

    def write(*rows):
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))

    write(row, row)
    run(*command)
    assert [json.loads(line).get("relation") for line in out.read_text().splitlines()] == [None] * 2
    write(row, {**row, "relation": "in"})
    run(*command)
    assert capsys.readouterr().out.splitlines() == [
        f"2 samples without a relation -> {out}",
        f"1 sample of 1 relation, 1 sample without a relation -> {out}",
    ]
    # the first line says that there are relations
    write({**row, "relation": "in"}, row)
    with pytest.raises(InputError, match=r"a\.jsonl:2: field 'relation': missing"):
        run(*command)
    write({**row, "head": "Ann"})
    with pytest.raises(InputError, match="--format json finds mentions in the text"):
        run(*command)


SHEET = (
    "text,head,tail,relation,head_type\nAnn runs Bolt.,Ann,Bolt,runs,PER\n"
    "Cem leads Dart.,Cem,Dart,leads,ORG\nEva rnus Fern.,Eva,Fern,rnus,PER\n"
    "Gil rnus Husk.,Gil,Husk,rnus,\nIda sold Jute.,Ida,Jute,sold,PER\n"
)
LEADS = (
    "name: s\nnegative: none\nrelations:\n  runs: {explanation: x}\n"
    "  P1: {explanation: x, title: leads, head_types: [PER]}\n  none: {explanation: y}\n"
)


@pytest.fixture
def sheet(tmp_path):
    """Return a function that writes a table of a kind; two of its labels are not in s.yaml."""
    (tmp_path / "s.yaml").write_text(LEADS)

    def written(kind, text=SHEET):
        path, rows = tmp_path / f"t.{kind}", list(csv.reader(text.splitlines()))
        if kind == "xlsx":
            book = Workbook()
            for row in rows:
                book.active.append(row)
            book.save(path)
        elif kind == "parquet":
            names, *rest = rows
            columns = zip(*rest, strict=True)
            pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), path)
        elif kind in ("json", "jsonl"):
            names, *rest = rows
            found = [dict(zip(names, row, strict=True)) for row in rest]
            for row in found if kind == "jsonl" else ():
                start = row["text"].index(row["tail"])
                row["head"] = {"start": 0, "end": 3, "type": row["head_type"] or None}
                row["tail"] = {"start": start, "end": start + 4}
            lines = (json.dumps(row) for row in found)
            path.write_text(f"[{','.join(lines)}]" if kind == "json" else "\n".join(lines))
        else:
            path.write_text(text.replace(",", "\t") if kind == "tsv" else text)
        return path

    return written


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet", "json", "jsonl"])
def test_a_schema_decides_about_labels_titles_and_types(tmp_path, sheet, capsys, kind):
    path, out = sheet(kind), tmp_path / "o.jsonl"
    command = ("convert", "--format", kind, path, "--out", out, "--schema", tmp_path / "s.yaml")
    with pytest.raises(InputError) as caught:
        run(*command)
    first, second = str(caught.value).splitlines()
    names = {"csv": "t-4", "tsv": "t-4", "xlsx": "t-4"}
    place, second_place = names.get(kind, "t-3"), "t-6" if kind in names else "t-5"
    assert first == (
        f"{path}: field 'relation': not a relation of schema 's' (2 samples, the first {place}) "
        "(got 'rnus'); did you mean runs?"
    )
    assert second.startswith(
        f"{path}: field 'relation': not a relation of schema 's' (1 sample, the first t-"
    )
    assert second.endswith("(got 'sold'); its relations: runs, P1, none")
    assert not out.exists()
    run(*command, "--rename", "rnus=runs", "--skip-bad")
    assert [sample.relation for sample in read_samples(out)] == ["runs", "P1", "runs", "runs"]
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "1 sample labelled 'leads', the title of a relation: renamed",
        f"1 sample left out: 'sold' is no relation of the schema (the first: {second_place}; its "
        "relations: runs, P1, none)",
        f"4 samples of 2 relations -> {out}",
    ]
    assert printed.err.startswith(
        "warning: 1 sample with entity types that the schema excludes for the relation, the first "
    )
    assert printed.err.endswith("P1 between ORG and None\n")


def test_the_schema_of_a_corpus_is_no_output(tmp_path, sheet):
    schema = tmp_path / "s.yaml"
    with pytest.raises(InputError, match="schema"):
        run("convert", "--format", "csv", sheet("csv"), "--out", schema, "--schema", schema)
    assert schema.read_text() == LEADS
