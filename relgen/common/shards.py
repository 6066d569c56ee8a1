"""A corpus in shards: a folder of files, each of which becomes a file in another folder.

    OUT/part-0.parquet          the rows of the input's part-0.parquet
    OUT/_shards/part-0.json     its summary: written last, it says that the shard is finished
    OUT/_summary.json           that of all shards

A shard is written under a temporary name and then renamed, so that any number of processes may be
killed, and may even write the same one: it is whole, or not there. Readers of Parquet and Spark
ignore names that begin with an underscore or a point.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, NamedTuple

from relgen.common.configuration import check
from relgen.common.errors import CombinedInputError, InputError
from relgen.common.files import content_hash, read_record, text_hash, write_json
from relgen.common.locks import locked
from relgen.common.outputs import check_outputs, is_within, refuse_foreign, write_summary
from relgen.common.progress import tracked
from relgen.common.ranges import PositiveInt

_ENDINGS = (".jsonl", ".parquet")
_KEPT, _SUMMARY = "_shards", "_summary.json"
_TEMPORARY = re.compile(r"\.(.+)\.\w{8}\.tmp")  # see `atomic_writer`
Process = Callable[["Shard"], dict[str, Any]]
"""Reads a shard's source and writes its `out`; returns what its summary holds."""


class Shard(NamedTuple):
    """A file of a corpus, and the folder and name of the file to write for it."""

    source: Path
    folder: Path
    name: Path

    @property
    def out(self) -> Path:
        return self.folder / self.name

    @property
    def summary(self) -> Path:
        return self.aside("shards").with_suffix(".json")

    @property
    def begun(self) -> Path:
        """Return the file that is there while the shard is written."""
        return self.summary.with_name(f".{self.summary.stem}.begun")

    def aside(self, kind: str) -> Path:
        """Return where another file for this shard goes, which readers of the folder ignore."""
        return self.folder / f"_{kind}" / self.name


# without slots: a class of options inherits it beside another one
@dataclass(frozen=True, kw_only=True)
class ShardOptions:
    """Options of commands that read a corpus in shards."""

    engine: Literal["local", "ray"] = "local"
    """What computes shards: this process, or the workers of a Ray cluster (that of RAY_ADDRESS, or
    one that is started on this machine). All of its machines must see the same files.
    """
    workers: PositiveInt | None = None
    """Workers of the cluster, each of which loads the model; by default as many as it has GPUs, or
    else CPUs.
    """
    force: bool = False
    """Replace the command's own output of other settings or inputs."""

    def __post_init__(self) -> None:
        check(self)
        if self.workers is not None and self.engine == "local":
            raise InputError("needs --engine ray", field="--workers", value=self.workers)


def find_shards(given: str | Path, out: str | Path | None) -> list[Shard] | None:
    """Return the shards of a folder or a glob, in order of their names; None for one file.

    Of a folder the files that end in `.jsonl` or `.parquet` are read, also those of its folders.
    Shards of Parquet become Parquet, others JSON lines.

    Raises:
        InputError: there is none, or `out` cannot take their results.
    """
    path = Path(given)
    if path.is_dir():
        found = [each for each in path.rglob("*") if each.suffix in _ENDINGS and each.is_file()]
        root = path
    elif not path.exists() and glob.has_magic(str(given)):
        matches = map(Path, glob.iglob(str(given), recursive=True))
        found = [each for each in matches if each.is_file()]
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
    else:
        return None
    names = {each: each.relative_to(root) for each in found}
    names = {k: n for k, n in sorted(names.items()) if not any(p[0] in "._" for p in n.parts)}
    if not names:
        remedy = f"give a folder of files that end in {' or '.join(_ENDINGS)}"
        raise InputError("no shards here", path=path, remedy=remedy)
    if out is None:
        raise InputError("a corpus in shards needs a folder to write", field="--out")
    folder, shards = Path(out), []
    if folder.exists() and not folder.is_dir():
        raise InputError("must be a folder, like the input", path=folder, field="--out")
    if is_within(folder, root):
        remedy = "give a folder outside of it"
        raise InputError("this is in the folder of the input", path=folder, remedy=remedy)
    taken: dict[Path, Path] = {}
    for source, name in names.items():
        name = name if name.suffix == ".parquet" else name.with_suffix(".jsonl")
        if (other := taken.setdefault(name.with_suffix(""), source)) is not source:
            remedy = "rename one of them"
            raise InputError(f"would be the same shard as {other}", path=source, remedy=remedy)
        shards.append(Shard(source, folder, name))
    return shards


@dataclass
class ShardWork:
    """Processes shards that are not finished; it can be sent to another process.

    Args:
        command: the name of the command, for the summaries.
        key: a hash of all that the rows depend on beside the shard.
        make: returns the function that processes; called once, when there is something to do.
    """

    command: str
    key: str
    make: Callable[[], Process]
    process: Process | None = field(default=None, init=False)

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Return the summary of a shard, or the `error` of one that cannot be read."""
        try:
            header = text_hash(f"{self.key} {content_hash(shard.source)}")
            found = read_record(shard.summary)
            if found.get("hash") == header and shard.out.is_file():
                return found
            if not shard.begun.exists():
                own = found.get("files") if found.get("command") == self.command else None
                refuse_foreign([shard.out], self.command, own)
            self.process = self.process or self.make()
            shard.begun.parent.mkdir(parents=True, exist_ok=True)
            shard.begun.touch()
            known = {"command": self.command, "hash": header, "source": str(shard.source)}
            known |= self.process(shard)
        except InputError as error:
            shard.begun.unlink(missing_ok=True)
            return {"error": str(error)}
        summary = write_summary(shard.summary, known, [shard.out])
        shard.begun.unlink(missing_ok=True)
        return summary


def run_shards(
    work: ShardWork,
    shards: Sequence[Shard],
    out: str | Path,
    options: ShardOptions,
    inputs: Sequence[str | Path | None] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the summaries of shards as they get finished; those finished earlier are not redone.

    A shard that cannot be read does not stop the others. `inputs` are what all shards depend on.
    Raises InputError at the end if a shard cannot be read, and before anything is written if the
    folder holds an input, other files, or, without `options.force`, shards of other settings.
    """
    folder, errors = Path(out), dict[str, None]()
    there = [each.out for each in shards if each.out.exists()]
    read = [*inputs, *dict.fromkeys(each.source.parent for each in shards)]
    check_outputs(there, read, replaced=[folder])
    with locked(folder):
        _claim(folder, shards, work, force=options.force)
        if options.engine == "ray":
            from relgen.common.ray_engine import map_on_ray

            results = map_on_ray(work, shards, options.workers)
        else:
            results = map(work, shards)
        for summary in tracked(results, "Shards", len(shards), shown=len(shards) > 1):
            if "error" in summary:
                errors[summary["error"]] = None
            else:
                yield summary
        _remove_temporary(folder, shards)
    if errors:
        raise CombinedInputError([InputError(each) for each in errors])


def write_total(out: str | Path, summary: dict[str, Any]) -> None:
    """Write the summary of all shards."""
    write_json(Path(out) / _SUMMARY, summary)


def _remove_temporary(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove what processes that were killed have left of a shard's files."""
    files = {(each.out, each.summary, each.aside("uncertain")) for each in shards}
    own = {folder / _SUMMARY, *(path for several in files for path in several)}
    for each in folder.rglob(".*.tmp"):
        if (name := _TEMPORARY.fullmatch(each.name)) and each.with_name(name[1]) in own:
            each.unlink(missing_ok=True)


def _claim(folder: Path, shards: Sequence[Shard], work: ShardWork, *, force: bool) -> None:
    """Mark a folder as the command's; raise InputError if it holds files of others."""
    mark, command = folder / _SUMMARY, work.command
    found = read_record(mark)
    visible = [each for each in folder.iterdir() if not each.name.startswith(".")]
    if visible and found.get("command") != command:
        problem = f"this folder holds files that `relgen {command}` has not written"
        raise InputError(problem, path=folder, remedy="choose another --out")
    if found.get("hash", work.key) != work.key and not force:
        problem = "this folder holds shards of other settings or inputs"
        remedy = "give another --out, or --force to replace them"
        raise InputError(problem, path=folder, remedy=remedy)
    known = {shard.summary for shard in shards}
    for each in sorted((folder / _KEPT).rglob("*.json")):
        if each not in known:
            problem = "this folder holds the shard of another input"
            name, remedy = each.relative_to(folder / _KEPT), "choose another --out"
            raise InputError(problem, path=folder, value=str(name.with_suffix("")), remedy=remedy)
    write_json(mark, {"command": command, "hash": work.key})
