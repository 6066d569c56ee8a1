"""`relgen predict` in Python and as a command."""

import json
import re

import pytest

import relgen
from relgen.cli import main as cli
from relgen.data.samples import read_samples, write_samples
from relgen.prediction import run
from relgen.prediction.settings import PredictOptions
from tests.tiny.encoders import samples


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def text(tmp_path):
    """Raw text and the names in it."""
    (tmp_path / "names.tsv").write_text("acme\tORG\nann\tPERSON\nbern\tPLACE\nrain\tEVENT\n")
    file = tmp_path / "raw.txt"
    file.write_text("ann founded acme . Bern is near .\n\nacme in bern . The rain in acme .\n")
    return file


@pytest.fixture
def raw(model, text, tmp_path):
    def command(*more):
        source = f"gazetteer:{tmp_path / 'names.tsv'}"
        return cli.main(["predict", str(model), str(text), "--entities", source, *more])

    return command


def test_samples_need_no_relation(model, tmp_path, capsys):
    given = samples(5)
    unlabelled = [{k: v for k, v in s.to_json().items() if k != "relation"} for s in given]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in unlabelled))
    out = tmp_path / "p.jsonl"
    line = ["predict", str(model), str(tmp_path / "in.jsonl"), "--out", str(out), "--scores"]
    line += ["--coverage", "0.9"]
    assert cli.main(line) == 0
    expected = relgen.load_classifier(model).predict_samples(given)
    assert [(r["id"], r["relation"], r["probability"]) for r in rows(out)] == [
        (p.id, p.relation, p.score) for p in expected
    ]
    first = rows(out)[0]
    assert first["text"] == "the storm caused the flood ."
    assert first["head"] == {"text": "storm", "start": 4, "end": 9, "type": None}
    assert set(first["set"]) == {"founded_by", "located_in", "none"}
    assert list(first["scores"]) == ["founded_by", "located_in", "none"]
    assert read_samples(out)[0].relation == first["relation"]
    said = capsys.readouterr().out
    assert said.startswith("5 pairs: ")
    assert said.endswith(f" -> {out}\n")
    summary = json.loads((tmp_path / "p.json").read_text())
    assert sum(summary["relations"].values()) == summary["pairs"] == 5


def test_raw_text_gives_the_pairs_that_types_allow(raw, tmp_path, capsys):
    out = tmp_path / "p.jsonl"
    assert raw("--out", str(out), "--all-pairs") == 0
    found = [(r["document"], r["offset"], r["head"]["text"], r["tail"]["text"]) for r in rows(out)]
    assert found == [("raw-1", 0, "acme", "ann"), ("raw-3", 0, "acme", "bern")]
    assert rows(out)[1]["id"] == "raw-3/1"
    assert rows(out)[1]["text"] == "acme in bern ."
    assert {r["relation"] for r in rows(out)} <= {"founded_by", "located_in", "none"}
    said = capsys.readouterr()
    assert said.err == (
        "warning: the schema does not name these types of entities: EVENT (1); rename them with "
        "--types EVENT=…\n"
    )
    assert said.out.startswith("2 pairs: ")


def test_pairs_without_a_relation_are_left_out(raw, tmp_path, capsys):
    assert raw("--threshold", "1") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 pairs: 2 none\n" in said.err


def test_no_answer_is_null(raw, tmp_path, capsys):
    assert raw("--abstain", "--threshold", "1") == 0
    said = capsys.readouterr()
    assert [json.loads(line)["relation"] for line in said.out.splitlines()] == [None, None]
    assert "2 pairs: 2 without an answer\n" in said.err


def test_renamed_types_take_part(raw, capsys):
    assert raw("--types", "EVENT=PLACE", "--all-pairs") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "warning" not in said.err


def test_lines_of_json_hold_texts(model, tmp_path, capsys):
    (tmp_path / "names.tsv").write_text("acme\tORG\nann\tPERSON\n")
    (tmp_path / "in.jsonl").write_text('{"id": 7, "text": "x"}\n{"text": "ann and acme"}\n')
    line = ["predict", str(model), str(tmp_path / "in.jsonl"), "--all-pairs"]
    line += ["--entities", f"gazetteer:{tmp_path / 'names.tsv'}"]
    assert cli.main(line) == 2
    assert "in.jsonl:1: id: must be a non-empty string (got 7)" in capsys.readouterr().err
    assert cli.main([*line, "--skip-bad"]) == 0
    assert json.loads(capsys.readouterr().out)["document"] == "in-2"


def test_the_saved_thresholds(model, tmp_path, capsys):
    write_samples(tmp_path / "in.jsonl", samples(9))
    options = PredictOptions(
        model=str(model), input=str(tmp_path / "in.jsonl"), out=str(tmp_path / "p.jsonl")
    )
    before = run.predict(options)["relations"]
    assert before.keys() - {"none"}
    line = ["predict", str(model), str(tmp_path / "in.jsonl"), "--threshold", "saved"]
    assert cli.main(line) == 0
    assert capsys.readouterr().err == "9 pairs: 9 none\n"
    assert cli.main([*line[:3], "--abstain"]) == 0
    lost = 9 - before.get("none", 0)
    assert f"{lost} without an answer" in capsys.readouterr().err


def test_a_stopped_run_resumes(model, tmp_path, monkeypatch, capsys):
    write_samples(tmp_path / "in.jsonl", samples(20))
    monkeypatch.setattr(run, "_CHUNK", 8)
    whole, chunks = run.Predictor.__call__, []

    def stops(self, chunk):
        if len(chunks) == 1:
            chunks.append(0)
            raise KeyboardInterrupt
        chunks.append(len(chunk))
        return whole(self, chunk)

    monkeypatch.setattr(run.Predictor, "__call__", stops)
    out = tmp_path / "p.jsonl"
    line = ["predict", str(model), str(tmp_path / "in.jsonl"), "--out", str(out)]
    assert cli.main(line) == 130
    assert "run the same command again to continue" in capsys.readouterr().err
    assert not out.exists()
    assert cli.main(line) == 0
    assert chunks == [8, 0, 8, 4]
    assert [row["id"] for row in rows(out)] == [sample.id for sample in samples(20)]
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()
    assert cli.main(line) == 0  # finished already
    assert chunks == [8, 0, 8, 4]


def test_other_settings_start_again(model, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(3))
    given = {"model": str(model), "input": str(tmp_path / "in.jsonl")}
    out = tmp_path / "p.jsonl"
    run.predict(PredictOptions(**given, out=str(out)))
    run.predict(PredictOptions(**given, out=str(out), threshold=1.0))
    assert {row["relation"] for row in rows(out)} == {"none"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": "{folder}/none.jsonl"}, "no such file"),
        ({"model": "{folder}"}, "no classifier in this folder"),
        ({"input": "{folder}/raw.txt"}, "head and tail are not marked.*give --entities"),
        ({"out": "{folder}/in.jsonl"}, "is an input of the command"),
        ({"out": "{folder}/raw.txt"}, "`relgen predict` has not written it"),
        ({"--threshold": "2"}, "--threshold: must be a number from 0 to 1 or one of saved or null"),
        ({"--entities": "names"}, "no such source"),
    ],
)
def test_bad_input_is_one_line(model, text, tmp_path, capsys, change, said):
    write_samples(tmp_path / "in.jsonl", samples(3))
    given = {"model": str(model), "input": "{folder}/in.jsonl", "out": "{folder}/p.jsonl"} | change
    given = {key: value.format(folder=tmp_path) for key, value in given.items()}
    line = ["predict", given.pop("model"), given.pop("input"), "--out", given.pop("out")]
    assert cli.main([*line, *(word for pair in given.items() for word in pair)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1

    assert re.search(said, error)


def test_thresholds_need_a_calibrated_classifier(classifier, tmp_path, capsys):
    from relgen.classifiers.saved import save_classifier

    save_classifier(classifier, tmp_path / "plain")
    write_samples(tmp_path / "in.jsonl", samples(3))
    line = ["predict", str(tmp_path / "plain"), str(tmp_path / "in.jsonl"), "--abstain"]
    assert cli.main(line) == 2
    assert "was not calibrated" in capsys.readouterr().err
