"""Two commands that write to one folder at once: the files are those of one of them, whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from relgen.cli import main as cli
from relgen.data.corpora.everyday import save_everyday
from relgen.data.samples import read_samples, write_samples
from tests import tiny
from tests.integration import forked
from tests.relgen.prediction.firms import save_firms
from tests.relgen.reporting.fake_run import make_run

pytestmark = [pytest.mark.slow, pytest.mark.processes]
# {n}: 1 or 2, by which the two commands differ
COMMANDS = {
    "split": "data split {data}/train.jsonl --schema {data}/schema.yaml --shots 2 --seed {n} "
    "--out {out}",
    "convert": "data convert {data}/some{n}.jsonl --format jsonl --out {out}/a.jsonl",
    "generate": "generate --model {model} --train {data}/few.jsonl --schema {data}/schema.yaml "
    "--samples 1 --relations located_in --max-drafts-per-sample {n} --max-new-tokens 4 "
    "--out {out}/a.jsonl",
    "label": "label {data}/some{n}.jsonl --model {model} --train {data}/few.jsonl "
    "--schema {data}/schema.yaml --out {out}/a.jsonl",
    "predict": "predict {classifier} {data}/some{n}.jsonl --out {out}/a.jsonl",
    "run": "run {data}/experiment{n}.yaml --only split --out {out}",
    "report": "report {data}/run{n} --out {out}",
}
REPLACED = ("predict", "report")
"""Commands that replace their own earlier output: the later one wins."""
# the first one is at work, or has ended
REFUSALS = ("another relgen command is writing to this", "another --out", "--force")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("given")
    save_everyday(folder)
    train = read_samples(folder / "train.jsonl")
    write_samples(folder / "few.jsonl", train[:: len(train) // 12])
    for n in (1, 2):
        write_samples(folder / f"some{n}.jsonl", train[n : 40 * n : 2])
        experiment = {
            "corpus": {
                name: str(folder / file)
                for name, file in (
                    ("train", "train.jsonl"),
                    ("test", "test.jsonl"),
                    ("schema", "schema.yaml"),
                )
            },
            "shots": n,
            "seeds": [1],
            "arms": ["human"],
            "classifiers": ["classifier/entity_marker"],
        }
        (folder / f"experiment{n}.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
        make_run(folder / f"run{n}", arms=["human"], seeds=range(n), labels=["a", "b", "none"])
    return {
        "data": str(folder),
        "model": tiny.save_model(folder / "model"),
        "classifier": save_firms(folder),
    }


def content(out: Path) -> dict[str, bytes]:
    """Return the files that have neither times nor paths in them."""
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.suffix in (".jsonl", ".md") or file.name == "manifest.json"
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_one_of_two_writers_is_refused(command: str, given: dict[str, str], tmp_path: Path) -> None:
    def line(n: int, out: Path) -> list[str]:
        return COMMANDS[command].format(n=n, out=out, **given).split()

    alone = []
    for n in (1, 2):
        cli.main(line(n, tmp_path / "out"))
        alone.append(content(tmp_path / "out"))
        shutil.rmtree(tmp_path / "out")
    assert alone[0] != alone[1]
    for race in range(2):
        logs = [tmp_path / f"{race}-{n}.log" for n in (1, 2)]
        both = [
            forked.start(log, *line(n, tmp_path / "out")) for n, log in enumerate(logs, start=1)
        ]
        for process in both:
            process.join()
        found = content(tmp_path / "out")
        codes = [process.exitcode for process in both]
        said = [log.read_text(encoding="utf-8") if log.exists() else "" for log in logs]
        winners = [n for n in range(2) if found == alone[n]]
        assert winners, (codes, said)
        for n in range(2):
            if n not in winners and not (command in REPLACED and codes[n] == 0):
                assert codes[n] == 2, said
                assert any(text in said[n].splitlines()[-1] for text in REFUSALS), said
                assert "Traceback" not in said[n]
        shutil.rmtree(tmp_path / "out")
