"""Every command's output on terminals that lack the letters of its labels, texts and paths."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import Sample, write_samples
from relgen.data.schema import RelationSchema
from relgen.dpo.preference_pairs import build_chains, write_chains
from tests import tiny
from tests.relgen.prediction.firms import save_firms
from tests.relgen.reporting.fake_run import make_run
from tests.tiny import encoders

LABELS = {"cause": "夫妻", "part": "Ä→😀", "none": "нет"}
SCHEMA = RelationSchema(
    "лексика",
    tuple(replace(one, name=LABELS[one.name]) for one in encoders.SCHEMA.relations),
    LABELS["none"],
)
DATA = "--train {data}/train.jsonl --schema {data}/schema.yaml"
CPU = "--trainer.max_steps 1 --trainer.accelerator cpu"
COMMANDS = {
    "convert": "data convert {data}/train.jsonl --format jsonl --out {out}.jsonl",
    "split": "data split {data}/train.jsonl --schema {data}/schema.yaml --shots 2 --out {out}",
    "card": "data card {data}/test.jsonl --schema {data}/schema.yaml --license cc0-1.0 --out {out}",
    "diversity": "diversity {data}/train.jsonl --encoder {encoder}",
    "chains": "chains {data}/train.jsonl --schema {data}/schema.yaml --out {out}.jsonl",
    "generate": f"generate --model {{model}} {DATA} --samples 1 --max-drafts-per-sample 1 "
    "--max-new-tokens 4 --out {out}.jsonl",
    "label": f"label {{data}}/test.jsonl --model {{model}} {DATA} --out {{out}}.jsonl",
    "suggest": f"suggest --errors --model {{model}} {DATA} --out {{out}}.jsonl",
    "direct": f"direct --model {{model}} --test {{data}}/test.jsonl {DATA} --shots 1 --out {{out}}",
    "reader": f"reader --model {{model}} --test {{data}}/test.jsonl {DATA} --out {{out}}",
    "dpo fit": "dpo fit -c dpo/smollm2 --model.model {model} --data.chains {data}/chains.jsonl "
    f"--data.schema {{data}}/schema.yaml {CPU} --out {{out}}",
    "classifier fit": "classifier fit -c classifier/entity_marker --data.mix human "
    "--model.classifier.model {encoder} --data.human {data}/train.jsonl --data.order together "
    f"--data.validation {{data}}/test.jsonl --data.schema {{data}}/schema.yaml {CPU} --out {{out}}",
    "run": "run {data}/experiment.yaml --only split --out {out}",
    "dry run": "run {data}/experiment.yaml --dry-run --out {out}",
    "predict": "predict {classifier} {data}/test.jsonl --out {out}.jsonl",
    "report": "report {data}/finished --out {out}",
    "export": "export {classifier} --to hf --samples {data}/test.jsonl --out {out}",
    "review": "review {data}/test.jsonl --export prodigy --out {out}.jsonl",
    "models": "models",
}


def _samples(count: int, **more: int) -> list[Sample]:
    return [one.with_relation(LABELS[one.relation]) for one in encoders.samples(count, **more)]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("дом")
    train = _samples(12)
    SCHEMA.save(folder / "schema.yaml")
    write_samples(folder / "train.jsonl", train)
    test = [replace(one, source="generated") for one in _samples(6, skip=40)]
    write_samples(folder / "test.jsonl", test)
    others = [one.with_relation(LABELS["cause"]) for one in read_split("test")[:6]]
    write_samples(folder / "other.jsonl", others)
    write_chains(folder / "chains.jsonl", build_chains(train, SCHEMA, seed=1))
    make_run(folder / "finished", arms=["human"], seeds=[1], labels=list(LABELS.values()))
    (folder / "experiment.yaml").write_text(
        f"corpus: {{train: {folder}/train.jsonl, test: {folder}/other.jsonl, "
        f"schema: {folder}/schema.yaml}}\nshots: 2\nseeds: [1]\narms: [human]\n"
        "classifiers: [classifier/entity_marker]\n",
        encoding="utf-8",
    )
    return {
        "data": str(folder),
        "model": tiny.save_model(folder / "модель"),
        "encoder": encoders.save_encoder(folder / "encodeur-é"),
        "classifier": save_firms(folder),
    }


Run = Callable[[str], tuple[int, bytes, bytes]]


@pytest.fixture(params=["ascii", "cp1252"])
def run(
    request: pytest.FixtureRequest,
    given: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A function that runs a command on a terminal, and returns code, output and errors."""

    def run(line: str) -> tuple[int, bytes, bytes]:
        raw = io.BytesIO(), io.BytesIO()
        for name, stream in zip(("stdout", "stderr"), raw, strict=True):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, encoding=request.param))
        code = cli.main(line.format(out=tmp_path / "ausgänge-夫", **given).split())
        sys.stdout.flush()
        sys.stderr.flush()
        return code, raw[0].getvalue(), raw[1].getvalue()

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_as_elsewhere(command: str, run: Run) -> None:
    code, out, err = run(COMMANDS[command])
    assert code == 0, err
    assert out
    assert b"Error" not in err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "models"])
def test_an_error_is_one_line(command: str, run: Run) -> None:
    words = COMMANDS[command].split()
    place = next(n for n, word in enumerate(words) if "{data}" in word)
    words[place] = words[place].replace("{data}", "{data}/夫")
    code, _, err = run(" ".join(words))
    assert code == 2, err
    assert b"Traceback" not in err
    assert b"/?" in err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("predict {classifier} {data}/test.jsonl --scores", None),
        (f"suggest --unlabelled {{data}}/other.jsonl --model {{model}} {DATA}", "guess"),
        ("diversity {data}/train.jsonl --encoder {encoder} --json", "per_relation"),
    ],
)
def test_printed_json_keeps_every_letter(line: str, labels: str | None, run: Run) -> None:
    code, out, err = run(line)
    assert code == 0, err
    assert b"?" not in out
    rows = [json.loads(out)] if labels == "per_relation" else map(json.loads, out.splitlines())
    for row in rows:
        if labels == "per_relation":
            assert set(row[labels]) == set(LABELS.values())
        elif labels:
            assert row[labels] in LABELS.values()
