"""What is predicted and written, and how a stopped run resumes."""

import json
from pathlib import Path

import pytest
from datasets import Dataset
from pyarrow import parquet

import relgen
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from relgen.prediction import run
from relgen.prediction.settings import PredictOptions
from tests.relgen.prediction.firms import save_firms, save_text
from tests.tiny.encoders import samples

pytestmark = pytest.mark.compute


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def predict(tmp_path):
    """A function that predicts, by default for `in.jsonl`; it returns the summary and the rows."""
    out, model = tmp_path / "p.jsonl", save_firms(tmp_path)

    def predicted(force=True, **options):
        given = {"input": str(tmp_path / "in.jsonl"), "out": str(out), **options}
        summary = run.predict(PredictOptions(model=model, force=force, **given))
        return summary, rows(out)

    return predicted


def test_samples_need_no_relation(predict, tmp_path):
    given = samples(5)
    unlabelled = [{k: v for k, v in s.to_json().items() if k != "relation"} for s in given]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in unlabelled))
    summary, found = predict(scores=True, coverage="0.9")
    expected = relgen.load_classifier(tmp_path / "fit").predict_samples(given)
    assert [(r["id"], r["relation"], r["probability"]) for r in found] == [
        (p.id, p.relation, p.score) for p in expected
    ]
    first = found[0]
    assert first["text"] == "the storm caused the flood ."
    assert first["head"] == {"text": "storm", "start": 4, "end": 9, "type": None}
    assert set(first["set"]) == set(first["scores"]) == {"founded_by", "located_in", "none"}
    assert read_samples(tmp_path / "p.jsonl")[0].relation == first["relation"]
    assert summary == json.loads((tmp_path / "p.json").read_text())
    assert sum(summary["relations"].values()) == summary["pairs"] == 5


def test_raw_text_gives_the_pairs_that_types_allow(predict, tmp_path):
    text, names = save_text(tmp_path)
    summary, found = predict(input=text, entities=[names], all_pairs=True)
    assert [(r["document"], r["offset"], r["head"]["text"], r["tail"]["text"]) for r in found] == [
        ("raw-1", 0, "acme", "ann"),
        ("raw-3", 0, "acme", "bern"),
    ]
    assert found[1]["id"] == "raw-3/1"
    assert found[1]["text"] == "acme in bern ."
    assert {row["relation"] for row in found} <= {"founded_by", "located_in", "none"}
    assert summary["unknown_types"] == {"EVENT": 1}


def test_pairs_without_a_relation_are_left_out(predict, tmp_path):
    text, names = save_text(tmp_path)
    summary, found = predict(input=text, entities=[names], threshold=1.0)
    assert found == []
    assert (summary["pairs"], summary["relations"]) == (2, {"none": 2})
    assert summary["reversed"] == 0


def test_renamed_types_take_part(predict, tmp_path):
    text, names = save_text(tmp_path)
    summary, _ = predict(input=text, entities=[names], types={"EVENT": "PLACE"})
    assert (summary["pairs"], summary["unknown_types"]) == (3, {})


def test_thresholds(predict, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(9))
    before, _ = predict()
    assert before["relations"].keys() - {"none"}
    # the saved ones are out of reach
    assert predict(threshold="saved")[0]["relations"] == {"none": 9}
    negative = before["relations"].get("none", 0)
    summary, found = predict(abstain=True)
    assert summary["relations"] == {k: n for k, n in (("", 9 - negative), ("none", negative)) if n}
    assert [row["relation"] for row in found].count(None) == 9 - negative
    assert all(row["probability"] > 0.3 for row in found)
    assert predict(threshold=0.0, abstain=True)[0]["relations"] == before["relations"]


def test_a_stopped_run_resumes(predict, tmp_path, monkeypatch):
    write_samples(tmp_path / "in.jsonl", samples(20))
    monkeypatch.setattr(run, "CHUNK", 8)
    whole, chunks = run.Predictor.__call__, []

    def stops(self, chunk):
        chunks.append(len(chunk))
        if len(chunks) == 2:
            raise KeyboardInterrupt
        return whole(self, chunk)

    monkeypatch.setattr(run.Predictor, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        predict()
    assert not (tmp_path / "p.jsonl").exists()
    summary, found = predict()
    assert chunks == [8, 8, 8, 4]
    assert [row["id"] for row in found] == [sample.id for sample in samples(20)]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert predict() == (summary, found)  # finished already
    assert len(chunks) == 4


@pytest.mark.parametrize("options", [{"abstain": True}, {"threshold": "saved"}])
def test_thresholds_need_a_calibrated_classifier(tmp_path, options):
    model = save_firms(tmp_path, calibrated=False)
    write_samples(tmp_path / "in.jsonl", samples(3))
    with pytest.raises(InputError, match=r"was not calibrated.*--model\.calibration_folds"):
        run.predict(PredictOptions(model=model, input=str(tmp_path / "in.jsonl"), **options))


def test_sets_need_enough_samples(predict, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(3))
    with pytest.raises(InputError, match=r"need 99 samples that calibrate, and this .* has 9"):
        predict(coverage="0.99")


def test_lines_left_out_are_counted(predict, tmp_path, capsys):
    write_samples(tmp_path / "in.jsonl", samples(3))
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("{}\n[]\n")
    summary, found = predict(skip_bad=True)
    assert (summary["skipped"], summary["pairs"], len(found)) == (2, 3, 3)
    options = {"model": str(tmp_path / "fit"), "input": str(tmp_path / "in.jsonl")}
    assert run.predict(PredictOptions(**options, skip_bad=True))["skipped"] == 2


def test_results_of_other_commands_are_not_replaced(predict, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(3))
    (tmp_path / "p.jsonl").write_text("labelled\n")
    (tmp_path / "p.json").write_text('{"command": "label", "hash": "x"}')
    with pytest.raises(InputError, match="`relgen predict` has not written it"):
        predict()
    assert (tmp_path / "p.jsonl").read_text() == "labelled\n"


def shards(folder):
    """Write two shards of samples, lines and Parquet, and one that is empty."""
    folder.mkdir()
    given = samples(20)
    write_samples(folder / "a.jsonl", given[:8])
    Dataset.from_list([one.to_json() for one in given[8:]]).to_parquet(folder / "b.parquet")
    (folder / "c.jsonl").write_text("")
    return folder


def test_a_corpus_in_shards_gets_the_same_predictions(predict, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(20))
    whole, expected = predict(scores=True, coverage="0.9")
    out = tmp_path / "out"
    options = {"model": str(tmp_path / "fit"), "scores": True, "coverage": "0.9"}
    given = PredictOptions(input=str(shards(tmp_path / "in")), out=str(out), **options)
    summary = run.predict(given)
    found = rows(out / "a.jsonl") + parquet.read_table(out / "b.parquet").to_pylist()
    assert found == expected
    assert (summary["shards"], summary["pairs"]) == (3, 20)
    assert summary["relations"] == whole["relations"]
    assert summary == json.loads((out / "_summary.json").read_text())
    assert run.predict(given) == summary


def test_skipping_malformed_lines_keeps_the_shards_that_have_none(predict, tmp_path):
    folder, out = shards(tmp_path / "in"), tmp_path / "out"
    (folder / "d.jsonl").write_text((folder / "a.jsonl").read_text() + "{\n")
    given = {"model": str(tmp_path / "fit"), "input": str(folder), "out": str(out)}
    with pytest.raises(InputError, match=r"d\.jsonl:9: not valid JSON.*--skip-bad"):
        run.predict(PredictOptions(**given))
    kept = (out / "b.parquet").stat().st_mtime_ns
    summary = run.predict(PredictOptions(**given, skip_bad=True))
    assert (summary["shards"], summary["skipped"], len(rows(out / "d.jsonl"))) == (4, 1, 8)
    assert (out / "b.parquet").stat().st_mtime_ns == kept


def test_parquet_out_of_parquet(predict, tmp_path):
    folder, out = shards(tmp_path / "in"), tmp_path / "p.parquet"
    options = {"model": str(tmp_path / "fit"), "input": str(folder / "b.parquet")}
    assert run.predict(PredictOptions(**options, out=str(out)))["pairs"] == 12
    table = parquet.read_table(out)
    assert table.column_names == ["id", "text", "head", "tail", "relation", "probability"]
    assert [row["id"] for row in table.to_pylist()] == [one.id for one in samples(20)[8:]]
    assert [s.relation for s in read_samples(out)] == table["relation"].to_pylist()


def test_raw_text_in_parquet(predict, tmp_path):
    text, names = save_text(tmp_path)
    _, expected = predict(input=text, entities=[names], all_pairs=True)
    lines = enumerate(Path(text).read_text().splitlines(), 1)
    texts = [{"body": line, "id": number} for number, line in lines if line]
    Dataset.from_list(texts).to_parquet(tmp_path / "raw.parquet")
    given = {"input": str(tmp_path / "raw.parquet"), "entities": [names], "all_pairs": True}
    _, found = predict(**given, columns={"text": "body"})
    assert [(r["document"], r["probability"]) for r in found] == [
        (r["document"].removeprefix("raw-"), r["probability"]) for r in expected
    ]
    with pytest.raises(InputError, match=r"no column text .*--columns text=…"):
        predict(**given)


def test_a_cluster_needs_shards(predict, tmp_path):
    write_samples(tmp_path / "in.jsonl", samples(3))
    with pytest.raises(InputError, match="a cluster reads a corpus in shards"):
        predict(engine="ray")
