"""Small experiments: a shipped preset with changes, a corpus, and its tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from relgen.common.presets import config_root
from relgen.data.samples import read_samples, write_samples
from relgen.data.schema import load_schema
from tests.tiny.encoders import save_encoder
from tests.tiny.language_models import save_writing_model

LABELS = ("founded_by", "treats", "no_relation")


def preset(name: str, folder: Path, **changes: Any) -> str:
    """A shipped preset with some keys changed, written into `folder`; returns its path."""
    content = yaml.safe_load((config_root() / f"{name}.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    path = folder / f"{name.replace('/', '_')}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def tiny_corpus(folder: Path) -> tuple[dict[str, str], str, str]:
    """Three relations of the everyday corpus, and names of a tiny Llama and a tiny BERT."""
    everyday = Path(load_schema.__code__.co_filename).parent / "corpora" / "everyday"
    for part in ("train", "test"):
        samples = read_samples(everyday / f"{part}.jsonl")
        write_samples(folder / f"{part}.jsonl", [s for s in samples if s.relation in LABELS])
    schema = load_schema("everyday").to_dict()
    schema["relations"] = {label: schema["relations"][label] for label in LABELS}
    (folder / "schema.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    corpus = {name: str(folder / f"{name}.jsonl") for name in ("train", "test")}
    corpus["schema"] = str(folder / "schema.yaml")
    return corpus, str(save_writing_model(folder / "llama")), save_encoder(folder / "bert")
