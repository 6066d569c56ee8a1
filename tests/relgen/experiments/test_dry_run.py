"""What a dry run says will run, and what it draws to say what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from relgen.cli import main as cli
from relgen.data.corpora import read_split
from relgen.data.samples import write_samples
from relgen.experiments.config import CorpusFiles, Experiment
from relgen.experiments.dry_run import print_plan
from relgen.experiments.grid import load_grid
from relgen.experiments.planner import plan
from relgen.models.names import EMBEDDED_ENCODER, EMBEDDED_LANGUAGE_MODEL
from tests.relgen.cli.failing import failed
from tests.relgen.experiments.fake_commands import FakeCommands, do, run_options
from tests.tiny.languages import corpus

MANIFEST = '{"warnings": ["a: only 1 of 2 training samples"]}'


def draw(line: Sequence[str]) -> None:
    """Pretend to split."""
    folder = Path(line[line.index("--out") + 1])
    folder.mkdir(parents=True)
    write_samples(folder / "train.jsonl", read_split("dev")[:9])
    (folder / "manifest.json").write_text(MANIFEST, encoding="utf-8")


def states(said: str) -> Iterator[tuple[str, str]]:
    for line in said.splitlines():
        if line.startswith("# seed"):
            name, _, state = line[2:].partition(" ")
            yield name.partition("/")[2], state.strip("()")


def dry(
    experiment: Experiment, out: Path, capsys: pytest.CaptureFixture[str], **options: object
) -> dict[str, str]:
    capsys.readouterr()
    print_plan(plan(experiment, out), out, run_options(**options), draw, out.parent / "scratch")
    return dict(states(capsys.readouterr().out))


def test_it_prints_what_a_person_could_type(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    made = plan(experiment, out)
    found = print_plan(made, out, run_options(), draw, tmp_path / "scratch")
    assert found == (list(made.stages), [])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# seed1/split (to do)"
    assert lines[1].startswith("relgen data split ")
    assert lines[2] == "# warning: a: only 1 of 2 training samples"
    assert lines[-1] == f"relgen report {out}"
    assert not out.exists()


@pytest.mark.weights
@pytest.mark.parametrize("language", ["English", "German"])
def test_it_says_which_models_hardly_know_the_language(
    language: str, experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def draw_in_a_language(line: Sequence[str]) -> None:
        draw(line)
        write_samples(Path(line[line.index("--out") + 1]) / "train.jsonl", corpus(language))

    made = plan(experiment, tmp_path / "run")
    print_plan(made, tmp_path / "run", run_options(), draw_in_a_language, tmp_path / "scratch")
    said = [line for line in capsys.readouterr().out.splitlines() if "# warning: the" in line]
    known = language == "English"
    assert len(said) == (0 if known else 2)
    for model in (EMBEDDED_LANGUAGE_MODEL, EMBEDDED_ENCODER):
        expected = f"# warning: the sentences are in German, which {model} hardly knows"
        assert any(line.startswith(expected) for line in said) is not known


def test_a_run_has_the_stages_that_a_dry_run_shows(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = dry(experiment, tmp_path / "run", capsys)
    assert set(shown.values()) == {"to do"}
    made = do(commands, experiment, tmp_path / "run")
    names = [stage.name.partition("/")[2] for stage in made.stages]
    assert list(shown) == names
    assert len(names) == 15
    assert len([line for line in commands.ran if not line.startswith("report")]) == 15


def test_it_says_what_may_run_again(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    made = do(commands, experiment, out)
    manifest = made.stages[0].folder / "manifest.json"
    manifest.write_text(MANIFEST, encoding="utf-8")
    found = dry(experiment, out, capsys, force=["seed1/chains-a"])
    assert found["split"] == found["dpo-b"] == "done"
    assert found["chains-a"] == "to do"
    assert found["dpo-a"] == "done; again if its inputs change"
    assert found["test-obo_dpo_mix"] == "done; again if its inputs change"
    # the licence is written to a card, beside samples that stay the same
    found = dry(replace(experiment, license="mit"), out, capsys)
    assert found["collect-obo_dpo"] == "to do"
    assert found["train-obo_dpo_mix"] == "done; again if its inputs change"
    assert {state for name, state in found.items() if "obo_dpo" not in name} == {"done"}


def write_experiment(tmp_path: Path, corpus: CorpusFiles, **keys: object) -> Path:
    files = {name: getattr(corpus, name) for name in ("train", "test", "schema")}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump({"corpus": files, **keys}, sort_keys=False), encoding="utf-8")
    return path


def test_it_says_which_relations_have_too_few_samples(
    corpus: CorpusFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f'{{"id": "{n}", "text": "{a} met {b} {n}.", "head": {{"start": 0, "end": 3}}, '
        f'"tail": {{"start": 8, "end": 11}}, "relation": "{label}"}}\n'
        for n, (a, b, label) in enumerate(
            [("Eva", "Tom", "a"), ("Ina", "Bob", "a"), ("Zoe", "Max", "b")]
        )
    ]
    Path(corpus.train).write_text("".join(lines), encoding="utf-8")
    path = write_experiment(tmp_path, corpus, shots=2, arms=["human"])
    line = ["run", str(path), "--out", str(tmp_path / "run"), "--dry-run"]
    assert cli.main(line) == 0
    said = capsys.readouterr()
    assert "# warning: b: only 1 of 2 training samples\n" in said.out
    assert not said.err
    assert not (tmp_path / "run").exists()
    path = write_experiment(tmp_path, corpus, arms=["human"], shots=3)
    assert failed(capsys, *line) == (
        f"{path}:7: field 'shots': too many: the largest relation has 2 usable samples (got 3); "
        "choose at most 2, or give more samples"
    )


def test_it_refuses_what_the_run_refuses(
    experiment: Experiment,
    corpus: CorpusFiles,
    tmp_path: Path,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    do(commands, replace(experiment, name="another"), out)
    path = write_experiment(tmp_path, corpus, arms=["human"])
    line = ["run", str(path), "--out", str(out), "--dry-run"]
    capsys.readouterr()
    assert "this folder belongs to another experiment (got 'another')" in failed(capsys, *line)
    Path(corpus.train).write_text("{\n[\n", encoding="utf-8")
    line[3] = str(tmp_path / "new")
    assert cli.main(line) == 2
    said = capsys.readouterr().err.splitlines()
    assert [row.partition(": ")[0] for row in said] == [f"{corpus.train}:{n}" for n in (1, 2)]


def test_what_runs_again_is_counted(
    corpus: CorpusFiles, tmp_path: Path, commands: FakeCommands, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_experiment(tmp_path, corpus, arms=["human"]), tmp_path / "run"
    made = do(commands, load_grid(path).cells[0].experiment, out)
    (made.stages[0].folder / "manifest.json").write_text(MANIFEST, encoding="utf-8")
    line = ["run", str(path), "--out", str(out), "--dry-run", "--force", made.stages[0].name]
    assert cli.main(line) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("# 1 stage to do: ")
    assert "; 3 again if their inputs change: " in last


def test_the_shipped_experiment_with_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "everyday", "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "# 13 stages to do: about 6 min (roughly, as measured on two cores)"
