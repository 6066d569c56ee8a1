"""GGUF files: written here by the library that defines them, converted once, and named by hash."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from relgen.common.errors import InputError
from relgen.models import gguf as module
from relgen.models.cache import cached_models
from relgen.models.causal_lm import load_language_model, load_tokenizer, resolve_model
from relgen.models.gguf import converted, find_gguf
from tests.tiny.gguf_files import WORDS, llama, write_gguf

pytestmark = pytest.mark.compute


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model() -> LlamaForCausalLM:
    return llama()


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(torch.arange(3, 15)[None]).logits


def test_the_copy_computes_what_the_file_says(
    model: LlamaForCausalLM, tmp_path: Path, cache: Path
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", model)
    folder = Path(resolve_model(str(file)))
    assert folder.parent == cache
    whole = load_language_model(str(converted(file, "float32")))
    assert torch.allclose(logits(whole), logits(model), atol=1e-5)
    half = load_language_model(str(file), dtype="auto")
    assert torch.allclose(logits(half).float(), logits(model), atol=0.05)
    assert load_tokenizer(str(file)).convert_tokens_to_ids("ab") == WORDS.index("ab")
    assert AutoTokenizer.from_pretrained(folder).eos_token == "</s>"


def test_a_file_is_converted_once_wherever_it_is(
    model: LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = converted(write_gguf(tmp_path / "tiny.gguf", model))
    monkeypatch.setattr(module, "_convert", None)
    (tmp_path / "other").mkdir()
    moved = (tmp_path / "tiny.gguf").rename(tmp_path / "other" / "tiny.gguf")
    assert converted(moved) == first


def test_one_of_two_processes_converts_and_the_other_waits(
    model: LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", model)
    both, convert, calls = threading.Barrier(2), module._convert, []

    def counted(*arguments: Any) -> None:
        calls.append(arguments)
        convert(*arguments)

    def run() -> Path:
        both.wait()
        return converted(file)

    monkeypatch.setattr(module, "_convert", counted)
    with ThreadPoolExecutor(2) as pool:
        first, second = [pool.submit(run) for _ in range(2)]
    assert first.result() == second.result()
    assert len(calls) == len(list(cached_models())) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\3\4 a zip file", "not a GGUF file"),
        (b"GGUF\3\0\0\0" + bytes(4), "cannot be read"),
    ],
)
def test_what_is_no_gguf_file_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "x.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        load_language_model(str(file))
    assert str(file) in str(raised.value)
    assert list(cached_models()) == []


def test_a_file_without_some_weights_is_refused(tmp_path: Path, model: LlamaForCausalLM) -> None:
    """They would be random numbers."""
    file = write_gguf(tmp_path / "x.gguf", model, leave_out=("model.norm.weight",))
    with pytest.raises(InputError, match=r"lacks 1 weight, such as model\.norm\.weight"):
        resolve_model(str(file))


def test_a_cut_file_is_one_line(model: LlamaForCausalLM, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "x.gguf", model)
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"x\.gguf.*cannot be read.*fetch it again"):
        resolve_model(str(file))


def test_parts_and_other_architectures_name_the_way_out(tmp_path: Path) -> None:
    part = tmp_path / "big-00001-of-00003.gguf"
    part.write_bytes(b"GGUF")
    with pytest.raises(InputError, match="llama-gguf-split --merge"):
        resolve_model(str(part))
    writer = gguf.GGUFWriter(str(tmp_path / "x.gguf"), "clip")
    writer.add_block_count(1)
    writer.add_tensor("x.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError, match="cannot read GGUF files of this architecture"):
        resolve_model(str(tmp_path / "x.gguf"))


def test_a_file_on_the_hub_is_named_by_repository_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = {("org/repo", "sub/m.gguf"): tmp_path / "m.gguf"}
    monkeypatch.setattr("relgen.models.gguf.hf_hub_download", lambda *name: fetched[name])
    assert find_gguf("org/repo:sub/m.gguf") == tmp_path / "m.gguf"
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"hf download org/repo m\.gguf"):
        find_gguf("org/repo:m.gguf")
    assert find_gguf("org/repo") is None
