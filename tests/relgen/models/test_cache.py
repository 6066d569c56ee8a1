"""The cache of converted models: its place, and what counts as a model in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.models.cache import MARK, Origin, cache_folder, cached_models

pytestmark = pytest.mark.compute


def test_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("RELGEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "relgen"


def test_only_whole_conversions_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path))
    (tmp_path / "unfinished").mkdir()
    origin = Origin("/models/tiny.gguf", "ab" * 32, "bfloat16")
    assert not origin.done
    origin.folder.mkdir()
    (origin.folder / "model.safetensors").write_bytes(bytes(1000))
    origin.write(origin.folder)
    assert origin.done
    (model,) = cached_models()
    assert (model.folder.name, model) == ("tiny-abababababab-bfloat16", origin)
    assert model.size == sum(path.stat().st_size for path in origin.folder.iterdir()) > 1000


@pytest.mark.parametrize(
    "mark",
    [
        [],
        {"file": "a.gguf"},
        {"file": 1, "sha256": "ab", "dtype": "x"},
        {"file": "a", "sha256": "/../..", "dtype": "x"},
    ],
)
def test_a_mark_that_relgen_has_not_written_is_named(
    mark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path))
    (tmp_path / "of-somebody").mkdir()
    (tmp_path / "of-somebody" / MARK).write_text(json.dumps(mark))
    with pytest.raises(InputError, match=rf"of-somebody/{MARK}: is not the mark of a model"):
        list(cached_models())
