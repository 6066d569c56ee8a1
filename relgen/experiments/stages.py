"""Stages: command lines, each with a folder whose name hashes everything its output depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from relgen import __version__
from relgen.common import content_hash, find_config, find_schema, text_hash

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
"""Placeholder for the stage's folder in its command: the folder's name is a hash of the command."""

BOARD = "{board}"
"""Placeholder for the stage's TensorBoard folder, which does not depend on the stage's hash."""

Word = str | int | bool | Path | None
"""A value on a command line. A `Path` is an input of the stage."""


@dataclass(frozen=True)
class Stage:
    """One command line and the folder that it writes to.

    Args:
        name: unique within the experiment, e.g. `seed1/dpo-a`.
        kind: one of `STAGE_KINDS`.
        folder: for everything that the command writes.
        command: the words after `relgen`.
        inputs: the files and folders that it reads: outputs of other stages, corpus files, presets.
        resumable: the command can continue from the partial output of an interrupted run.
        board: the TensorBoard folder, for stages that train or test.
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
        """Return the file that marks the stage as done; it is written last, atomically."""
        return self.folder / "stage.json"


@dataclass(frozen=True)
class Initialisation:
    """The training of a classifier with one seed, and its test; `direct` has only a test."""

    seed: int
    train: Stage | None
    test: Stage


@dataclass(frozen=True)
class ArmStages:
    """The stages whose output is the result of one arm, seed and classifier."""

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
    """All stages, in an order in which they can run, and those of each arm."""

    stages: tuple[Stage, ...]
    arms: tuple[ArmStages, ...]
    schema: Path
    test: Path


class StageFolders:
    """Collects the stages of a plan by name, in an order in which they can run.

    A stage's hash covers its command, where the folders of earlier stages appear under their own
    hashes; the content of the presets, schemas and corpus files that it reads; and relgen's
    version. As long as the hash does not change, a stage keeps its folder and so its output.

    Args:
        out: the run's folder; for a cell of a grid, the grid's, so that cells share stages.
        models: language models as commands name them. For a folder, the hash covers its files.
        cell: the name of the grid's cell; it gets a TensorBoard folder below the run's.
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
        resumable: bool = False,
    ) -> Stage:
        """Add a stage.

        The value None omits an option, and True makes it a flag. `OUT` and `BOARD` stand for the
        stage's own folders. `inputs` are files that the command reads without naming them, besides
        its preset and schema.
        """
        options, arguments = options or {}, list(arguments)
        words = [*COMMANDS[kind].split(), *map(str, arguments)]
        for option, value in options.items():
            if value is not None:
                words += [option] if value is True else [option, str(value)]
        read = [value for value in (*arguments, *options.values()) if isinstance(value, Path)]
        read += inputs
        if preset := options.get("-c"):
            read.append(find_config(str(preset), words[0]))
        if schema := options.get("--schema") or options.get("--data.schema"):
            read.append(find_schema(str(schema)))
        folder = self._out / "stages" / f"{name}-{self._hash(words, read)[:10]}"
        board = self._boards / name
        own = {OUT: str(folder), BOARD: str(board)}
        stage = Stage(
            name=name,
            kind=kind,
            folder=folder,
            command=tuple(own.get(word, word.replace(OUT, str(folder))) for word in words),
            inputs=tuple(dict.fromkeys(read)),
            resumable=resumable,
            board=board if BOARD in words else None,
        )
        self.stages[name] = stage
        return stage

    def _hash(self, words: list[str], read: list[Path]) -> str:
        made = self._out / "stages"
        contents = {str(path): content_hash(path) for path in read if made not in path.parents}
        contents |= {model: _model_hash(Path(model)) for model in self._models & set(words)}
        known = [contents.get(word, word.removeprefix(f"{self._out}/")) for word in words]
        return text_hash("\0".join([__version__, *known, *sorted(contents.values())]))


def _model_hash(folder: Path) -> str:
    """Hash names, sizes and times of a model's files; reading the content would take minutes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder), path.stat()) for path in files]
    return text_hash("".join(f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in stats))
