"""The cache of converted models: where it is, and what stands in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from relgen.common import DType, InputError, read_json, write_json

MARK = "relgen_origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a converted model. Its folder in the cache is named by it."""

    file: str
    sha256: str
    dtype: DType

    @property
    def folder(self) -> Path:
        return cache_folder() / f"{Path(self.file).stem}-{self.sha256[:12]}-{self.dtype}"

    @property
    def done(self) -> bool:
        return (self.folder / MARK).is_file()

    @property
    def size(self) -> int:
        """Return the bytes of the folder's files."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def write(self, folder: Path) -> None:
        """Mark a folder as a whole conversion."""
        write_json(folder / MARK, asdict(self))


def cache_folder() -> Path:
    """Return the folder of converted models: `$RELGEN_CACHE`, or `relgen` in the user's cache."""
    if folder := os.environ.get("RELGEN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relgen"


def cached_models() -> Iterator[Origin]:
    """Yield the origins of the converted models in the cache, by name.

    Raises InputError for a mark that `Origin.write` has not written to this folder.
    """
    for mark in sorted(cache_folder().glob(f"*/{MARK}")):
        found = read_json(mark)
        known = isinstance(found, dict) and found.keys() == {"file", "sha256", "dtype"}
        known = known and all(isinstance(value, str) for value in found.values())
        if not known or (origin := Origin(**found)).folder != mark.parent:
            problem = "is not the mark of a model that relgen has converted"
            raise InputError(problem, path=mark, remedy="remove its folder, or correct the file")
        yield origin
