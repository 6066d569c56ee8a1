"""The cache of converted models: where it is, and what stands in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from relgen.common import DType

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

    def write(self, folder: Path) -> None:
        """Mark a folder as a whole conversion."""
        (folder / MARK).write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A converted model in the cache."""

    folder: Path
    origin: Origin
    size: int  # bytes


def cache_folder() -> Path:
    """Return the folder of converted models: `$RELGEN_CACHE`, or `relgen` in the user's cache."""
    if folder := os.environ.get("RELGEN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relgen"


def cached_models() -> Iterator[CachedModel]:
    """Yield the converted models in the cache, by name."""
    for mark in sorted(cache_folder().glob(f"*/{MARK}")):
        origin = Origin(**json.loads(mark.read_text(encoding="utf-8")))
        size = sum(path.stat().st_size for path in mark.parent.iterdir())
        yield CachedModel(mark.parent, origin, size)
