"""Models that cannot be loaded: one line that says why, for each kind of damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from relgen.common.errors import InputError
from relgen.models.causal_lm import load_language_model, load_tokenizer
from relgen.models.encoders import SentenceEncoder, load_encoder
from relgen.models.load_errors import damaged_file
from relgen.models.lora import add_lora, load_adapter, save_adapter
from tests import tiny
from tests.tiny.encoders import save_encoder

pytestmark = pytest.mark.compute

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f1e2d3c\nsize 269060552\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tiny.save_model(tmp_path_factory.mktemp("model") / "whole"))


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "said"), [(POINTER, "Git LFS pointer"), (None, "this file is damaged")]
)
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_damaged_files_are_named(model: Path, name: str, content: bytes | None, said: str) -> None:
    file = model / name
    file.write_bytes(file.read_bytes()[:300] if content is None else content)
    load = load_tokenizer if name == "tokenizer.json" else load_language_model
    with pytest.raises(InputError, match=said) as refused:
        load(str(model))
    assert refused.value.path == file


def test_whole_folders_have_no_damaged_file(whole: Path) -> None:
    assert damaged_file(whole) is None
    assert damaged_file(whole / "none") is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["Qwen9ForCausalLM"], "model_type": "qwen9"}, "does not know"),
        (
            {
                "model_type": "own",
                "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"},
            },
            "code of its own",
        ),
        ({"model_type": "t5"}, "transformers has no AutoModelForCausalLM of this architecture"),
    ],
)
def test_unknown_architectures(model: Path, config: dict[str, object], said: str) -> None:
    (model / "config.json").write_text(json.dumps(config))
    (model / "own.py").write_text("raise SystemExit('foreign code has run')\n")
    with pytest.raises(InputError, match=said):
        load_language_model(str(model))


def test_weights_of_other_sizes_are_one_line(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"hidden_size": 8}))
    with pytest.raises(InputError, match=r"its weights have other sizes than its config.json says"):
        load_language_model(str(model))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody/nothing", "download it first: hf download nobody/nothing"),
        ("/nowhere/model", "no such folder (got '/nowhere/model'); give a model's folder"),
        ("./model", "no such folder (got './model'); give a model's folder"),
    ],
)
def test_only_names_of_the_hub_can_be_downloaded(name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_tokenizer(name)
    assert said in str(caught.value)


def test_a_folder_that_lacks_files(model: Path, tmp_path: Path) -> None:
    for path in model.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(InputError, match=r"this folder has no tokenizer .*fetch the model again"):
        load_tokenizer(str(model))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"this folder has no config\.json"):
        load_language_model(str(tmp_path / "empty"))


def test_an_encoder_whose_files_lack_weights(tmp_path: Path) -> None:
    folder = Path(save_encoder(tmp_path / "encoder"))
    weights = load_file(folder / "model.safetensors")
    whole = {name: of for name, of in weights.items() if "layer.0.output.dense" not in name}
    save_file(whole, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        InputError, match=r"its files lack 2 weights, such as encoder.layer.0.output"
    ):
        load_encoder(str(folder))


def test_an_encoder_that_is_not_here() -> None:
    with pytest.raises(InputError, match="no such model"):
        SentenceEncoder("nobody/nothing")


def test_a_truncated_adapter(whole: Path, tmp_path: Path) -> None:
    policy = add_lora(load_language_model(str(whole)), rank=2)
    save_adapter(policy, tmp_path / "adapter", base_model=str(whole))
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:300])
    with pytest.raises(InputError, match="damaged") as refused, torch.inference_mode():
        load_adapter(load_language_model(str(whole)), tmp_path / "adapter")
    assert refused.value.path == weights
