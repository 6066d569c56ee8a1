"""The classifier's benchmark, on a tiny encoder: what it checks, counts and writes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import classifier as benchmark
from benchmarks import classifier_sides as sides
from benchmarks.classifier_checks import check_labels, check_step
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from relgen.data.schema import load_schema
from tests.tiny.encoders import save_encoder


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    monkeypatch.delenv("RELGEN_DATA", raising=False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(sides, "_WARM_UP", 4)


@pytest.fixture
def args(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    options = {
        "--model": save_encoder(tmp_path / "encoder", dropout=0.1),
        "--work": work,
        "--train-samples": 50,
        "--test-samples": 20,
        "--batch-size": 8,
        "--test-batch-size": 8,
        "--threads": 1,
    }
    given = ["--bfloat16", *(str(part) for option in options.items() for part in option)]
    parsed = benchmark.arguments(given)
    assert benchmark.write_data(parsed) == "48 / 20 samples of the everyday corpus"
    return parsed


@pytest.fixture
def trained(args, tmp_path):
    torch.manual_seed(0)
    built = EntityMarkerClassifier(load_schema("everyday"), args.model)
    torch.nn.init.normal_(built.output.weight, std=0.2)
    save_classifier(built, tmp_path / "trained")
    args.trained = str(tmp_path / "trained")
    return args


def test_both_sides_take_the_same_step(args):
    found = check_step(args, benchmark.TOLERANCE)
    assert found["logits"] < 1e-5
    assert found["gradient"] < 1e-5


def test_a_difference_ends_the_benchmark(args):
    with pytest.raises(RuntimeError, match="do not compute the same"):
        check_step(args, {"logits": -1.0})


def test_both_sides_give_the_same_labels(trained):
    shares = check_labels(trained, benchmark.LEAST_EQUAL_LABELS)
    assert shares == {"test-relgen": 1.0, "test-relgen-bfloat16": 1.0}
    with pytest.raises(RuntimeError, match="other labels"):
        check_labels(trained, 1.1)


@pytest.mark.parametrize("side", sides.TRAIN_SIDES)
def test_an_epoch_of_training(args, side):
    args.side = side
    row = sides.measure_side(args)
    assert row["samples"] == 48
    assert row["seconds"] > 0
    assert 0 <= row["micro_f1"] <= 1
    assert (Path(args.work) / "relgen" / "model").exists() == (side == "train-relgen")


def test_a_test_pass(trained):
    rows = {}
    for side in sides.predicting_sides(trained):
        trained.side = side
        rows[trained.side] = sides.measure_side(trained)
    assert {row["samples"] for row in rows.values()} == {20}
    assert len({row["micro_f1"] for row in rows.values()}) == 1
    # close decisions are computed again
    assert rows["test-relgen-bfloat16"]["tokens"] > rows["test-relgen"]["tokens"]


@pytest.mark.slow
def test_the_whole_benchmark(args, tmp_path):
    out = tmp_path / "found.json"
    benchmark.main(
        [
            *benchmark._options(args),
            "--test-samples",
            "20",
            "--threads",
            "1",
            "--bfloat16",
            "--json",
            str(out),
        ]
    )
    found = json.loads(out.read_text())
    assert found["corpus"] == "216 / 20 samples of the everyday corpus"
    assert found["labels"]["test-relgen"] == 1
    for side in (*sides.TRAIN_SIDES, *sides.predicting_sides(args)):
        assert found[side]["times faster"] > 0
    assert found["train-trainer"]["times faster"] == 1
