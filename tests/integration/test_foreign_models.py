"""Models of others, damaged or unlike what a command needs: one line and exit code 2 each."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig

from relgen.cli import main as cli
from relgen.data.samples import write_samples
from relgen.dpo.preference_pairs import build_chains, write_chains
from tests import tiny
from tests.relgen.prediction.firms import save_firms
from tests.tiny import encoders

DATA = "--train {data}/train.jsonl --schema {data}/schema.yaml"
CPU = "--trainer.max_steps 1 --trainer.accelerator cpu"
COMMANDS = {
    "generate": f"generate --model {{model}} {DATA} --samples 1 --relations cause "
    "--max-drafts-per-sample 1 --max-new-tokens 4 --out {out}.jsonl",
    "label": f"label {{data}}/test.jsonl --model {{model}} {DATA} --out {{out}}.jsonl",
    "suggest": f"suggest --unlabelled {{data}}/test.jsonl --model {{model}} {DATA}",
    "direct": f"direct --model {{model}} --test {{data}}/test.jsonl {DATA} --shots 1 --out {{out}}",
    "reader": f"reader --model {{model}} --test {{data}}/test.jsonl {DATA} --out {{out}}",
    "dpo fit": "dpo fit -c dpo/smollm2 --model.model {model} --data.chains {data}/chains.jsonl "
    f"--data.schema {{data}}/schema.yaml {CPU} --out {{out}}",
}
ENCODERS = {
    "diversity": "diversity {data}/train.jsonl --encoder {model}",
    "classifier fit": "classifier fit -c classifier/entity_marker --model.classifier.model {model} "
    "--data.mix human --data.human {data}/train.jsonl --data.order together "
    f"--data.schema {{data}}/schema.yaml {CPU} --out {{out}}",
}
OF_KIND = {"language": COMMANDS, "encoder": ENCODERS}
Damaged = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    train = encoders.samples(12)
    encoders.SCHEMA.save(folder / "schema.yaml")
    write_samples(folder / "train.jsonl", train)
    write_samples(folder / "test.jsonl", encoders.samples(3, skip=40, source="generated"))
    write_chains(folder / "chains.jsonl", build_chains(train, encoders.SCHEMA, seed=1))
    return folder


def _config(file: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        known = json.loads((folder / file).read_text())
        kept = {key: value for key, value in (known | changes).items() if value is not ...}
        (folder / file).write_text(json.dumps(kept))

    return change


def _weights(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (file,) = folder.glob("*.safetensors")
        file.write_bytes(change(file.read_bytes()))

    return damage


def _fewer_rows(folder: Path) -> None:
    """Leave rows of the embeddings out, as with the tokenizer of another model."""
    weights = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "embeddings.word_embeddings.weight"):
        if name in weights:
            weights[name] = weights[name][:40].clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    _config("config.json", vocab_size=40)(folder)


TEMPLATE = "chat_template.jinja"


def _template(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / TEMPLATE).write_text(text)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "header cut": _weights(lambda content: content[:6]),
    "header too long": _weights(lambda content: struct.pack("<Q", 1 << 40) + content[8:]),
    "header no JSON": _weights(lambda content: content[:8] + b"x" + content[9:]),
    "data cut": _weights(lambda content: content[:-100]),
    "empty weights": _weights(lambda content: b""),
    "other width": _config("config.json", hidden_size=24),
    "no heads": _config("config.json", num_attention_heads=0),
    "a text for a number": _config("config.json", num_hidden_layers="two"),
    "no kind": _config("config.json", model_type=..., architectures=...),
    "another vocabulary": _fewer_rows,
    "tokenizer of another form": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "tokenizer a list": lambda folder: (folder / "tokenizer.json").write_text("[]"),
}
TEMPLATES = {
    "template raises": _template("{{ raise_exception('not for you') }}"),
    "template has a mistake": _template("{% for m in messages %}{{ m.content }"),
    "template calls what is not there": _template("{{ messages.nothing.here() }}"),
    "template drops the text": _template("hello"),
    "no end of sequence": _config("tokenizer_config.json", eos_token=...),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "language": Path(tiny.save_model(folder / "language")),
        "encoder": Path(encoders.save_encoder(folder / "encoder")),
        "classifier": Path(save_firms(folder / "firms")),
    }


@pytest.fixture
def refused(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Path], str]:
    """A function that runs a command which is to be refused, and returns the last line it says."""

    def last_line(line: str, model: Path) -> str:
        words = line.format(data=data, model=model, out=tmp_path / "out").split()
        code = cli.main(words)
        said = capsys.readouterr().err.strip().splitlines()
        assert code == 2, (line, said)
        return said[-1]

    return last_line


@pytest.fixture
def damaged(tmp_path: Path, models: dict[str, Path]) -> Damaged:
    """A function that returns a copy of a model after a change."""

    def copy(kind: str, change: Callable[[Path], None]) -> Path:
        model = shutil.copytree(models[kind], tmp_path / "model")
        change(model)
        return model

    return copy


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("kind", "command"), [(kind, name) for kind, of in OF_KIND.items() for name in of]
)
def test_a_damaged_model(
    kind: str,
    command: str,
    damage: str,
    damaged: Damaged,
    refused: Callable[[str, Path], str],
) -> None:
    model = damaged(kind, DAMAGE[damage])
    assert str(model) in refused(OF_KIND[kind][command], model)


@pytest.mark.parametrize("damage", TEMPLATES)
@pytest.mark.parametrize("command", ["generate", "direct", "dpo fit"])
def test_a_chat_template_that_cannot_be_used(
    command: str, damage: str, damaged: Damaged, refused: Callable[[str, Path], str]
) -> None:
    model = damaged("language", TEMPLATES[damage])
    said = refused(COMMANDS[command], model)
    assert "this model's chat template cannot be used" in said
    assert str(model) in said


@pytest.mark.parametrize("command", ["generate", "label", "direct", "dpo fit"])
def test_a_base_model_without_a_token_that_ends_texts(
    command: str, models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(models["language"], tmp_path / "model")
    (model / TEMPLATE).unlink()
    for file in ("tokenizer_config.json", "config.json", "generation_config.json"):
        _config(file, eos_token=..., eos_token_id=...)(model)
    line = COMMANDS[command].format(data=data, model=model, out=tmp_path / "out")
    assert cli.main(line.split()) == 0


CLASSIFIERS = {
    "predict": "predict {model} {data}/test.jsonl",
    "serve": "serve {model} --port 0",
    "export": "export {model} --to hf --out {out}",
}
SAVED = {
    **{name: DAMAGE[name] for name in DAMAGE if "weights" in name or "header" in name},
    "data cut": DAMAGE["data cut"],
    "tokenizer of another form": lambda at: (at / "tokenizer/tokenizer.json").write_text("{}"),
    "no tokenizer": lambda at: shutil.rmtree(at / "tokenizer"),
    "another kind": _config("config.json", kind="nothing"),
    "no relations": lambda at: (at / "schema.yaml").write_text("name: x\nrelations: {}\n"),
    "no schema": lambda at: (at / "schema.yaml").unlink(),
    "a list": lambda at: (at / "config.json").write_text("[]"),
    "no arguments": _config("config.json", arguments=...),
    "other arguments": _config("config.json", arguments={"width": 3}),
}


@pytest.mark.parametrize("damage", SAVED)
@pytest.mark.parametrize("command", CLASSIFIERS)
def test_a_damaged_classifier(
    command: str,
    damage: str,
    models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[[str, Path], str],
) -> None:
    monkeypatch.setattr("relgen.deployment.server.listening_socket", lambda *_: pytest.fail("up"))
    model = shutil.copytree(models["classifier"], tmp_path / "model")
    SAVED[damage](model / "model")
    assert str(model) in refused(CLASSIFIERS[command], model)


@pytest.mark.parametrize("family", [GPT2Config, OPTConfig, LlamaConfig])
@pytest.mark.parametrize("command", COMMANDS)
def test_sequences_longer_than_the_positions(
    command: str, family: Any, tmp_path: Path, refused: Callable[[str, Path], str]
) -> None:
    sizes = {"vocab_size": tiny.VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "intermediate_size": 48, "ffn_dim": 48}
    sizes |= {"word_embed_proj_dim": 32, "bos_token_id": None, "eos_token_id": 0}
    config = family(**sizes, max_position_embeddings=12, pad_token_id=1)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    said = refused(COMMANDS[command], tmp_path / "model")
    assert "12" in said, said
