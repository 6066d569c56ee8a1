"""A merged model computes what base and adapter compute, and loads like any other model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.models.causal_lm import load_language_model
from relgen.models.export import export_merged, own_dtype
from relgen.models.lora import add_lora, save_adapter
from tests import tiny

pytestmark = pytest.mark.compute

IDS = torch.arange(3, 14)[None]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny.save_writing_model(tmp_path / "base")


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    policy = add_lora(load_language_model(str(base), dtype="float32"), rank=2, seed=3)
    torch.manual_seed(0)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    save_adapter(policy, tmp_path / "adapter", base_model=str(base))
    with torch.no_grad():
        torch.save(policy(IDS).logits, tmp_path / "logits.pt")
    return tmp_path / "adapter"


def test_logits_are_the_same_before_and_after(base: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    line = ["export", str(adapter), "--merge", "--dtype", "float32", "--out", str(out)]
    assert main(line) == 0
    merged = AutoModelForCausalLM.from_pretrained(out)
    assert merged.dtype == torch.float32
    expected = torch.load(tmp_path / "logits.pt")
    untuned = load_language_model(str(base), dtype="float32")
    with torch.no_grad():
        assert torch.allclose(merged(IDS).logits, expected, atol=1e-5)
        assert not torch.allclose(untuned(IDS).logits, expected, atol=1e-2)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.chat_template == tiny.CHAT_TEMPLATE
    assert tokenizer("a b")["input_ids"] == tiny.chat_tokenizer()("a b")["input_ids"]
    assert not list(out.glob("adapter*"))
    origin = json.loads((out / "relgen_export.json").read_text())
    assert (origin["base_model"], origin["adapter"]) == (str(base), str(adapter))


def test_the_dtype_is_the_bases_own(adapter: Path, base: Path, tmp_path: Path) -> None:
    assert own_dtype(str(base)) == "float32"
    half = tiny.save_writing_model(tmp_path / "half", dtype=torch.bfloat16)
    assert own_dtype(str(half)) == "bfloat16"
    out = export_merged(adapter, tmp_path / "merged", model=str(half))
    assert AutoModelForCausalLM.from_pretrained(out).dtype == torch.bfloat16


def test_only_an_export_is_replaced(adapter: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not an export of relgen"):
        export_merged(adapter, mine, force=True)
    assert (mine / "thesis.txt").exists()
    out = export_merged(adapter, tmp_path / "merged")
    with pytest.raises(InputError, match=r"an export exists here.*--force"):
        export_merged(adapter, out)
    (out / "old").touch()
    export_merged(adapter, out, force=True)
    assert not (out / "old").exists()


def test_another_base_model_is_refused(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny.save_writing_model(tmp_path / "other", seed=5)
    line = ["export", str(adapter), "--merge", "--model", str(other), "--out", str(tmp_path / "x")]
    assert main(line) == 2
    assert "made for another base model" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_base_model_that_has_moved(adapter: Path, base: Path, tmp_path: Path) -> None:
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"names cannot be loaded .*give the base model with --m"):
        export_merged(adapter, tmp_path / "out")
    export_merged(adapter, tmp_path / "out", model=str(tmp_path / "elsewhere"))
    assert (tmp_path / "out" / "config.json").is_file()
