"""Stages: command lines, each with a folder named by a hash of all that its output depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from relgen import __version__
from relgen.common import content_hash, text_hash

COMMANDS = {
    "corpus": "data",
    "split": "data split",
    "chains": "chains",
    "dpo": "dpo fit",
    "generate": "generate",
    "label": "label",
    "collect": "data card",
    "diversity": "diversity",
    "direct": "direct",
    "train": "classifier fit",
    "test": "classifier test",
    "report": "report",
}
"""The relgen command of each kind of stage."""

STAGE_KINDS = tuple(COMMANDS)
OUT = "{out}"
"""Stands for the stage's folder in its command: the folder's name is a hash of the command."""

BOARD = "{board}"
"""Stands for the stage's TensorBoard folder, which stays the same when the stage's hash changes."""

Word = str | int | bool | Path | None
"""A value on a command line. A `Path` is an input of the stage."""


@dataclass(frozen=True)
class Stage:
    """One command line and the folder that it writes to.

    Args:
        name: unique within the experiment, e.g. `seed1/dpo-a`.
        kind: one of `STAGE_KINDS`.
        folder: contains everything that the command writes.
        command: what follows `relgen` on the command line.
        inputs: the files and folders it reads: outputs of other stages, corpus files, presets.
        resumable: whether the command can continue from the partial output of an interrupted run.
        board: its TensorBoard folder, for stages that train or test.
    """

    name: str
    kind: str
    folder: Path
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    resumable: bool = False
    board: Path | None = None

    @property
    def record(self) -> Path:
        """The file that marks the stage as done; written last, atomically."""
        return self.folder / "stage.json"


@dataclass(frozen=True)
class Initialisation:
    """One training of a classifier and its test, with the seed of its weights and sample order.

    The arm `direct` has only a test.
    """

    seed: int
    train: Stage | None
    test: Stage


@dataclass(frozen=True)
class ArmStages:
    """The stages that one arm of one seed takes its results from."""

    arm: str
    seed: int
    classifier: str
    split: Stage
    initialisations: tuple[Initialisation, ...]
    diversity: Stage | None = None
    collect: Stage | None = None
    label: Stage | None = None
    generate: tuple[Stage, ...] = ()
    dpo: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All stages in an order in which they can run, and the arms that are built from them."""

    stages: tuple[Stage, ...]
    arms: tuple[ArmStages, ...]
    schema: Path
    test: Path


class StageFolders:
    """The stages planned so far, by name, in an order in which they can run.

    A stage's hash covers its command, where the folders of earlier stages appear under their own
    hashes; the content of the presets and corpus files it reads; and relgen's version. A stage
    whose hash does not change keeps its folder and so its output.

    Args:
        out: the run's folder. The cells of a grid share the grid's, and so the stages that they
            have in common.
        models: language models as commands name them; those that are folders enter the hash by
            their files.
        cell: the grid's cell, whose stages get their own part of the TensorBoard folder.
    """

    def __init__(self, out: Path, models: Iterable[str], *, cell: str = "") -> None:
        self.stages: dict[str, Stage] = {}
        self._out = out
        self._boards = out / "tensorboard" / cell
        self._models = {name for name in models if Path(name).is_dir()}

    def add(
        self,
        name: str,
        kind: str,
        arguments: Iterable[Word] = (),
        options: Mapping[str, Word] | None = None,
        *,
        inputs: Iterable[Path] = (),
        external: Iterable[Path] = (),
        resumable: bool = False,
    ) -> Stage:
        """Add a stage, with the folder that its hash names.

        Args:
            name: see `Stage`.
            kind: see `Stage`.
            arguments: positional arguments of the command.
            options: options of the command; None leaves one out, True makes it a flag. Paths in
                arguments and options are inputs; `OUT` and `BOARD` stand for the own folders.
            inputs: files of earlier stages that the command reads without naming them.
            external: files that no stage makes. They enter the hash by content, not by path.
            resumable: see `Stage`.
        """
        options = options or {}
        arguments, external = list(arguments), list(external)
        words = [*COMMANDS[kind].split(), *map(str, arguments)]
        for option, value in options.items():
            if value is not None:
                words += [option] if value is True else [option, str(value)]
        named = [value for value in (*arguments, *options.values()) if isinstance(value, Path)]
        folder = self._out / "stages" / f"{name}-{self._hash(words, external)[:10]}"
        board = self._boards / name
        own = {OUT: str(folder), BOARD: str(board)}
        stage = Stage(
            name=name,
            kind=kind,
            folder=folder,
            command=tuple(own.get(word, word.replace(OUT, str(folder))) for word in words),
            inputs=tuple(dict.fromkeys([*named, *inputs, *external])),
            resumable=resumable,
            board=board if BOARD in words else None,
        )
        self.stages[name] = stage
        return stage

    def _hash(self, words: list[str], external: list[Path]) -> str:
        contents = {str(path): content_hash(path) for path in external}
        contents |= {model: _model_hash(Path(model)) for model in self._models & set(words)}
        known = [contents.get(word, word.removeprefix(f"{self._out}/")) for word in words]
        return text_hash("\0".join([__version__, *known, *sorted(contents.values())]))


def _model_hash(folder: Path) -> str:
    """Hash names, sizes and times of a model's files; reading the content would take minutes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder), path.stat()) for path in files]
    return text_hash("".join(f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in stats))
