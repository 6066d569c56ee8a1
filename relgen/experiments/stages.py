"""Stages: command lines, each with a folder whose name hashes everything its output depends on."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

from relgen import __version__
from relgen.common import (
    file_hash,
    find_config,
    find_schema,
    option_words,
    read_yaml,
    text_hash,
)

STAGE_KINDS = (
    "corpus",
    "split",
    "chains",
    "dpo",
    "generate",
    "label",
    "collect",
    "diversity",
    "direct",
    "reader",
    "train",
    "test",
    "report",
)
OUT = "{out}"
"""Placeholder for the stage's folder in its command: the folder's name is a hash of the command."""

CURVES = "{curves}"
"""Placeholder for the stage's TensorBoard folder, which does not depend on the stage's hash."""

UNSET: Any = None
"""Omits an option, so that the preset's value or the default applies."""

_EXPLAINED = ("dpo", "generate", "direct")
"""The commands that read the explanations of relations; others read their names and types."""

P = ParamSpec("P")


class Line(NamedTuple):
    """The options of a command line, and the values by key that its words were made from.

    A `Path` is an input of the stage. None leaves an option out. `OUT` and `CURVES` stand for the
    stage's own folders.
    """

    words: list[str]
    given: Mapping[Any, Any]


def options(kind: Callable[P, object]) -> Callable[P, Line]:
    """Return a function that takes the fields of a command's dataclass."""
    return lambda *_, **given: Line(option_words(kind, given), given)


def keys(given: Mapping[str, str | int | bool | Path | None]) -> Line:
    """Return keys as LightningCLI takes them; True makes a flag."""
    line = []
    for key, value in given.items():
        if value is not None:
            line += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return Line(line, given)


@dataclass(frozen=True)
class Stage:
    """One command line and the folder that it writes to."""

    name: str  # unique within the experiment, e.g. `seed1/dpo-a`; begins with the kind
    folder: Path
    command: tuple[str, ...]  # the words after `relgen`
    inputs: tuple[Path, ...] = ()  # outputs of other stages, corpus files, presets
    curves: Path | None = None  # the TensorBoard folder, for stages that train or test
    models: tuple[str, ...] = ()  # names of the models that it loads

    @property
    def kind(self) -> str:
        """Return the one of `STAGE_KINDS` that the name begins with."""
        return re.split("[-_]", self.name.rpartition("/")[2])[0]

    @property
    def explained(self) -> bool:
        """Return True if the command reads the explanations of relations."""
        return self.command[0] in _EXPLAINED

    @property
    def resumable(self) -> bool:
        """Return True if the command continues from the partial output of an interrupted run."""
        return self.kind in ("dpo", "generate", "label", "direct", "reader")

    @property
    def record(self) -> Path:
        """Return the file that marks the stage as done; it is written last, atomically."""
        return self.folder / "stage.json"


@dataclass(frozen=True)
class Initialisation:
    """The training of a classifier with one seed, and its test, which is all of some arms."""

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
    unlabelled: Stage | None = None  # labels the user's sentences


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
    hashes; the content of the presets, schemas and corpus files that it reads; its models' files,
    where a name is a path; and relgen's version. As long as the hash does not change, a stage keeps
    its folder and so its output.

    Args:
        out: the run's folder; for a cell of a grid, the grid's, so that cells share stages.
        cell: the name of the grid's cell; it gets a TensorBoard folder below the run's.
    """

    def __init__(self, out: Path, *, cell: str = "") -> None:
        self.stages: dict[str, Stage] = {}
        self.cell = cell
        self._out = out
        self._curves = out / "tensorboard" / cell

    def add(
        self,
        name: str,
        command: str,
        line: Line,
        preset: str | None = None,
        *inputs: Path,
        models: Iterable[str | None] = (),
    ) -> Stage:
        """Add a stage with the options that `options` or `keys` returned, and a preset for `-c`.

        `inputs` are files that the command reads without naming them; `models` are the names of
        the models that it loads.
        """
        named = tuple(model for model in models if model is not None)
        command_line = [*command.split(), *(["-c", preset] if preset else []), *line.words]
        given = [one if isinstance(one, list) else [one] for one in line.given.values()]
        read = [one for values in given for one in values if isinstance(one, Path)] + [*inputs]
        if preset:
            read.append(find_config(preset, command_line[0]))
        if schema := line.given.get("schema") or line.given.get("data.schema"):
            read.append(find_schema(schema))
        folder = self._out / "stages" / f"{name}-{self._hash(command_line, read, named)[:10]}"
        curves = self._curves / name
        own = {OUT: str(folder), CURVES: str(curves)}
        self.stages[name] = Stage(
            name=name,
            folder=folder,
            command=tuple(own.get(word, word.replace(OUT, str(folder))) for word in command_line),
            inputs=tuple(dict.fromkeys(read)),
            curves=curves if CURVES in command_line else None,
            models=named,
        )
        return self.stages[name]

    def _hash(self, line: list[str], read: list[Path], models: Iterable[str]) -> str:
        made = self._out / "stages"
        read = [path for path in read if made not in path.parents]
        contents = {str(p): read_hash(p, explained=line[0] in _EXPLAINED) for p in read}
        contents |= model_hashes(models)
        known = [contents.get(word, word.removeprefix(f"{self._out}/")) for word in line]
        return text_hash("\0".join([__version__, *known, *sorted(contents.values())]))


def read_hash(path: Path, *, explained: bool) -> str:
    """Return a hash of what commands read in a file or a folder.

    In YAML this is its values, not its comments; the explanations of a schema's relations count
    only if `explained`.
    """
    if path.suffix not in (".yaml", ".yml"):
        return file_hash(path)
    return _values_hash(path, path.stat().st_mtime_ns, explained)


@functools.lru_cache(maxsize=4096)
def _values_hash(path: Path, modified: int, explained: bool) -> str:
    content = read_yaml(path)
    relations = content.get("relations") if isinstance(content, dict) else None
    if isinstance(relations, dict) and not explained:
        for relation in relations.values():
            if isinstance(relation, dict):
                relation.pop("explanation", None)
    return text_hash(repr(content))


def model_hashes(names: Iterable[str]) -> dict[str, str]:
    """Return a hash for each of the models that is a folder or a file."""
    return {name: _model_hash(Path(name)) for name in names if Path(name).exists()}


def _model_hash(folder: Path) -> str:
    """Hash names, sizes and times of a model's files; reading the content would take minutes."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else [folder]  # or one GGUF file
    files = [path for path in found if path.is_file()]
    stats = [(path.relative_to(folder), path.stat()) for path in files]
    return text_hash("".join(f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in stats))
