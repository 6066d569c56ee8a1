"""What is predicted and written, and how a stopped run resumes."""

import json

import pytest

import relgen
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from relgen.prediction import run
from relgen.prediction.pairs import RawText
from relgen.prediction.settings import PredictOptions
from tests.relgen.prediction.firms import save_firms, save_text
from tests.tiny import encoders as tiny
from tests.tiny.encoders import samples


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def predict(tmp_path):
    """A function that predicts, by default for `in.jsonl`; it returns the summary and the rows."""
    out, model = tmp_path / "p.jsonl", save_firms(tmp_path)

    def predicted(**options):
        given = {"input": str(tmp_path / "in.jsonl"), "out": str(out), **options}
        summary = run.predict(PredictOptions(model=model, **given))
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
    monkeypatch.setattr(run, "_CHUNK", 8)
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


def directed(head, tail, relation, probability, offset=0):
    ends = {"head": {"start": head - offset}, "tail": {"start": tail - offset}}
    shown = {"document": "a", "offset": offset, "relation": relation}
    return {**shown, **ends, "probability": probability}


def test_of_raw_text_each_fact_is_given_once_wherever_its_sentence_begins():
    sample = {"head": {"start": 0}, "tail": {"start": 9}, "relation": "part", "probability": 0.9}
    rows = [
        directed(0, 9, "part", 0.7),
        directed(9, 0, "part", 0.8, offset=-3),
        sample,
        sample,
    ]
    assert run.each_fact_once(rows, tiny.SCHEMA) == rows[1:]


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


def test_a_chunk_has_a_limit_of_pairs_and_is_computed_in_slices(tmp_path, monkeypatch):
    text, names = save_text(tmp_path)
    options = PredictOptions(model=save_firms(tmp_path), input=text, entities=[names])
    work = run.Predictor(options, most_pairs=4, at_once=3)
    sizes, whole = [], work.classifier.predict_samples
    monkeypatch.setattr(
        work.classifier, "predict_samples", lambda given: sizes.append(len(given)) or whole(given)
    )
    texts = [RawText(str(number), "ann founded acme .") for number in range(5)]
    assert work([*samples(3), *texts[:4]])[1]["pairs"] == 7
    assert sizes == [3, 3, 1]
    with pytest.raises(InputError, match="the texts have more than 4 pairs of entities"):
        work(texts)
