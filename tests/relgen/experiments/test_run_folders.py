"""Folders that belong to something else are refused, and what in one's own is done again."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from relgen.common.errors import InputError
from relgen.common.presets import find_config
from relgen.experiments import runner
from relgen.experiments.changes import Preset
from relgen.experiments.config import Experiment, Generator
from relgen.experiments.run_folders import is_done
from tests.relgen.experiments.fake_commands import FakeCommands, do


def test_folders_of_others_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    other = Experiment(name="other", corpus=experiment.corpus)
    with pytest.raises(InputError, match=r"belongs to another experiment \(got 'mine'\)"):
        do(commands, other, out)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        do(commands, experiment, full)
    assert (full / "thesis.tex").exists()


@pytest.mark.parametrize("links", [True, False])
def test_names_without_hashes_lead_to_the_current_output(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    if not links:

        def refuse(*_: object, **__: object) -> None:
            raise OSError("not supported")

        monkeypatch.setattr(Path, "symlink_to", refuse)
        monkeypatch.setattr("os.link", refuse)
    out = tmp_path / "run"
    current, split = out / "current" / "seed1", Path("split") / "train.jsonl"
    first = {stage.name: stage for stage in do(commands, experiment, out).stages}
    assert (current / "split").is_symlink() == links
    kept = (current / split).read_bytes()
    assert kept == (first["seed1/split"].folder / "train.jsonl").read_bytes()
    # other shots, and an arm less
    other = replace(experiment, shots=1, arms=("human",))
    commands.fail_at = len(commands.ran)
    with pytest.raises(KeyboardInterrupt):
        do(commands, other, out)
    assert not list(tmp_path.glob("run/current/*/*"))  # nothing out of date
    stages = do(commands, other, out).stages
    assert sorted(path.name for path in current.iterdir()) == sorted(
        stage.name.removeprefix("seed1/") for stage in stages
    )
    assert (current / "train-human" / "model" / "model.safetensors").is_file()
    shutil.move(out, tmp_path / "moved")
    assert (tmp_path / "moved" / "current" / "seed1" / split).is_file()


def test_two_runs_in_one_folder_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    match = "another relgen command is writing to this folder"
    with FileLock(out / ".relgen.lock"), pytest.raises(InputError, match=match):
        do(commands, experiment, out)


def test_a_folder_marked_half_way_is_still_ours(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".experiment.json.abc.tmp").write_text("{", encoding="utf-8")
    (out / ".relgen.lock").touch()
    do(commands, experiment, out)
    assert (out / "results.json").is_file()


class Commands(FakeCommands):
    """Commands whose output depends on what the real ones read, as theirs does."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: set[str] = set()

    def __call__(self, command: Sequence[str]) -> None:
        if command[0] != "report":
            (folder,) = re.findall(r"/seed1/([^/]+)-[0-9a-f]{10}", after(command, "--out"))
            self.stages.add(folder)
        super().__call__(command)

    def content(self, command: Sequence[str]) -> object:
        kept_out = [after(command, option) for option in ("--exclude", "--data.test", "--license")]
        words = [word for word in command if word not in kept_out]
        if command[:2] == ["data", "split"] or command[0] in ("dpo", "generate"):
            kept_out = []
        files = [Path(w) for w in words if Path(w).is_file() or Path(w).name == "adapter"]
        files = [file / "x" if file.name == "adapter" else file for file in files]
        files += [Path(w) / "config.json" for w in words if Path(w).name in ("model", "encoder")]
        texts = [
            file.read_text(encoding="utf-8").split()
            for file in files
            if file.suffix != ".yaml" or command[0] in ("dpo", "generate")
        ]
        options = [word for word in words if not Path(word).is_absolute()]
        return hashlib.sha256(repr((options, texts)).encode()).hexdigest()


def after(command: Sequence[str], option: str) -> str:
    return command[command.index(option) + 1] if option in command else ""


TUNED = {"dpo-a", "dpo-b"}
WRITTEN = {"generate-obo_dpo-a", "generate-obo_dpo-b"}
MIX = {"train-obo_dpo_mix", "test-obo_dpo_mix"}
LABELLED = {"label-obo_dpo", "collect-obo_dpo", "diversity-obo_dpo", *MIX}
HUMAN = {"train-human", "test-human"}
CHAINS = {"chains-a", "chains-b"}
ALL = {"split", "diversity-human"} | CHAINS | TUNED | WRITTEN | LABELLED | HUMAN


def edited(name: str, before: str, after: str) -> Callable[[Path, Experiment], Experiment]:
    """Return a function that edits a file of the user's."""

    def edit(folder: Path, experiment: Experiment) -> Experiment:
        text = (folder / name).read_text(encoding="utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after), encoding="utf-8")
        return experiment

    return edit


def changed(**keys: object) -> Callable[[Path, Experiment], Experiment]:
    """Return a function that changes keys of the experiment's file."""

    def change(folder: Path, experiment: Experiment) -> Experiment:
        old = {name: value for name, value in keys.items() if not isinstance(value, dict)}
        new = {
            name: replace(getattr(experiment, name), **value)
            for name, value in keys.items()
            if isinstance(value, dict)
        }
        return replace(experiment, **old, **new)

    return change


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (edited("mine.yaml", "explanation: x", "explanation: x too"), TUNED | WRITTEN | LABELLED),
        (edited("mine.yaml", "name: mine", "# a comment\nname: mine"), set()),
        (edited("mine.yaml", "explanation: x", "explanation: x, title: X"), ALL),
        (edited("train.jsonl", "Ann", "Eve"), ALL),
        (edited("train.jsonl", "\n", "\n\n"), {"split"}),  # the same samples are drawn
        (edited("test.jsonl", "Ann", "Eve"), {"split"} | WRITTEN | LABELLED | HUMAN),
        (edited("model/config.json", "{}", "{ }"), TUNED | WRITTEN | LABELLED),
        (edited("encoder/config.json", "{}", "{ }"), HUMAN | MIX),
        (edited("own.yaml", "beta: 0.1", "beta: 0.1  # a comment"), set()),
        (edited("own.yaml", "beta: 0.1", "beta: 0.2"), TUNED | WRITTEN | LABELLED),
        (changed(dpo_epochs=3), TUNED | WRITTEN | LABELLED),
        (changed(chains={"per_relation": 2}), CHAINS | TUNED | WRITTEN | LABELLED),
        (changed(generator={"samples": 5}), WRITTEN | LABELLED),
        (changed(generator={"changes": {"temperature": 0.7}}), WRITTEN | LABELLED),
        (changed(label={"least_certainty": 0.5}), LABELLED),
        (changed(license="mit"), {"collect-obo_dpo"}),
        (changed(classifier_steps=7), HUMAN | MIX),
        (changed(order="together"), MIX),
        (changed(arms=("human",)), set()),
        (changed(shots=1), ALL),
    ],
)
def test_what_is_done_again_is_what_reads_a_change(
    experiment: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Experiment], Experiment],
    again: set[str],
) -> None:
    monkeypatch.setattr(runner.gc, "collect", lambda: 0)
    monkeypatch.setattr(runner, "_report", lambda *given: None)  # half of the time
    for name in ("model", "encoder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
    own = find_config("dpo/smollm2").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    encoder = {"model.classifier.model": str(tmp_path / "encoder")}
    experiment = replace(
        experiment,
        generator=Generator(model=str(tmp_path / "model")),
        dpo=str(tmp_path / "own.yaml"),
        classifiers=(Preset("classifier/entity_marker", changes=encoder),),
    )
    commands, out = Commands(), tmp_path / "run"
    do(commands, experiment, out)
    assert commands.stages == ALL
    commands.stages.clear()
    made = do(commands, change(tmp_path, experiment), out)
    assert commands.stages == again
    assert all(map(is_done, made.stages))
    commands.stages.clear()
    do(commands, experiment, out)  # as before, or with what was edited: all of it was done once
    assert commands.stages == set()
