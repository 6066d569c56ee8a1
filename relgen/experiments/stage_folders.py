"""Stages as they are planned: each gets the folder that a hash of all that it depends on names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from relgen import __version__
from relgen.common import content_hash, text_hash
from relgen.experiments.plans import Stage

OUT = "{out}"
"""Stands for the stage's folder in its command, which does not know it yet."""

BOARD = "{board}"
"""Stands for the stage's part of the run's TensorBoard folder: the same when the stage changes."""


class StageFolders:
    """The stages planned so far, by name, in an order in which they can run.

    Args:
        out: the run's folder; the cells of a grid share that of the grid, and so the stages that
            they have in common.
        cell: of a grid; its stages have their own part of the TensorBoard folder.
        models: language models as commands name them; those that are folders enter a hash by their
            files.
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
        command: tuple[str, ...],
        *,
        inputs: Iterable[Path] = (),
        external: Iterable[Path] = (),
        resumable: bool = False,
    ) -> Stage:
        """Adds a stage, with the folder that its hash names.

        Args:
            name: see `Stage`.
            kind: see `Stage`.
            command: what follows `relgen`, with `OUT` where the folder is meant, and `BOARD`.
            inputs: what other stages made. Their paths, which carry hashes, stand in the command.
            external: files that the experiment does not make itself: they enter the hash by
                content, and where the command names them, their paths do not enter.
            resumable: see `Stage`.
        """
        contents = {str(path): content_hash(path) for path in external}
        contents |= {model: _identity(Path(model)) for model in self._models & set(command)}
        words = [contents.get(word, word.removeprefix(f"{self._out}/")) for word in command]
        identity = "\0".join([__version__, *words, *sorted(contents.values())])
        folder = self._out / "stages" / f"{name}-{text_hash(identity)[:10]}"
        board = self._boards / name
        meant = {OUT: str(folder), BOARD: str(board)}
        stage = Stage(
            name=name,
            kind=kind,
            folder=folder,
            command=tuple(meant.get(word, word.replace(OUT, str(folder))) for word in command),
            inputs=tuple(dict.fromkeys([*inputs, *external])),
            resumable=resumable,
            board=board if BOARD in command else None,
        )
        self.stages[name] = stage
        return stage


def _identity(folder: Path) -> str:
    """Names, sizes and times of a model's files: their content would take minutes to read."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder), path.stat()) for path in files]
    return text_hash("".join(f"{name} {s.st_size} {s.st_mtime_ns}\n" for name, s in stats))
