"""Saves a trained classifier as a folder, and loads it.

model.safetensors   the weights           schema.yaml   the relations
config.json         the architecture      tokenizer/    with the markers
README.md           the model card
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import ModelCard, ModelCardData
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from relgen import __version__
from relgen.classifiers.base import Classifier
from relgen.classifiers.calibration import Calibration
from relgen.classifiers.hub import (
    CARD,
    CONFIG,
    MODEL_FOLDER,
    SCHEMA,
    TOKENIZER,
    WEIGHTS,
    classifier_files,
)
from relgen.classifiers.network import NetworkClassifier, Precision
from relgen.classifiers.pipeline import SavedClassifier
from relgen.common import (
    InputError,
    atomic_folder,
    markdown_code,
    markdown_text,
    read,
    read_json,
    write_json,
    write_text,
)
from relgen.data import RelationSchema, load_schema

FORMAT = 1
_CLASSES = {
    "entity_marker": "relgen.classifiers.entity_marker:EntityMarkerClassifier",
    "knowprompt": "relgen.classifiers.knowprompt:KnowPromptClassifier",
    "retrieval": "relgen.classifiers.retrieval:RetrievalClassifier",
}
READER = "reader"  # the kind of `relgen.classifiers.reader`
_SCORES = {
    "micro_f1": "micro-F1 without the negative label",
    "macro_f1": "macro-F1",
    "official_f1": "SemEval's official score",
    "precision": "precision",
    "recall": "recall",
}
_DAMAGED = "the folder is damaged: copy it again, or train again"
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model")


def save_classifier(
    classifier: Classifier,
    folder: str | Path,
    *,
    data: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    calibration: Calibration | None = None,
) -> None:
    """Save a classifier; the folder appears only when it is complete, and replaces an existing one.

    `data` (the training data's origin) and `training` (hyper-parameters) are for the model card.
    """
    folder = Path(folder)
    with atomic_folder(folder, CONFIG) as temporary:
        weights = _weights(classifier)
        save_file(weights, temporary / WEIGHTS)
        config = {
            "format": FORMAT,
            "relgen_version": __version__,
            "kind": classifier.kind,
            "weights": weights_hash(weights),
            "schema": labels_of(classifier.schema),
            "arguments": classifier.config(),
            "data": data,
            "training": training,
            "calibration": None if calibration is None else asdict(calibration),
            "scores": None,
        }
        write_json(temporary / CONFIG, config)
        classifier.schema.save(temporary / SCHEMA)
        (temporary / TOKENIZER).mkdir()
        classifier.encoding.save(temporary / TOKENIZER)
        write_text(temporary / CARD, model_card(config, classifier.schema))


def record_scores(folder: str | Path, classifier: Classifier, scores: dict[str, Any]) -> bool:
    """Write test scores (as in `scores.json`) into a saved classifier's config and model card.

    Nothing is written if the folder does not contain the weights of `classifier`.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        return False
    config = read_json(folder / CONFIG)
    if config.get("weights") != weights_hash(_weights(classifier)):
        return False
    config["scores"] = scores
    write_json(folder / CONFIG, config)
    write_text(folder / CARD, model_card(config, classifier.schema))
    return True


def load_classifier(
    folder: str | Path, *, device: str = "cpu", precision: Precision = "float32"
) -> SavedClassifier:
    """Load a classifier that `save_classifier` or `relgen reader` wrote; `user/name` is the Hub's.

    Raises:
        InputError: the folder is incomplete, of another format, or its weights do not fit.
    """
    folder = classifier_files(folder)[0].parent
    config = _config(folder)
    schema = load_schema(folder / SCHEMA)
    if config.get("schema") != labels_of(schema):
        raise InputError(
            "its labels are not those that the classifier was trained with, in their order",
            path=folder / SCHEMA,
            value=list(schema.labels),
            remedy=f"restore it from `schema` in {CONFIG}, or train again",
        )
    if config["kind"] == READER:
        load = import_module("relgen.classifiers.reader").load_reader
        return cast(SavedClassifier, load(folder, config["arguments"], device=device))
    module, name = _CLASSES[config["kind"]].split(":")
    kind = cast(type[Classifier], getattr(import_module(module), name))
    if not any(list((folder / TOKENIZER).glob(name)) for name in _VOCABULARIES):
        raise InputError("no vocabulary in this folder", path=folder / TOKENIZER, remedy=_DAMAGED)
    try:
        classifier = kind.from_saved(schema, config["arguments"], folder / TOKENIZER)
    except InputError:
        raise
    except Exception as error:  # transformers raises many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"cannot be read: {reason}", path=folder, remedy=_DAMAGED) from error
    try:
        classifier.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise InputError(
            f"the weights do not fit the configuration: {str(error).splitlines()[0]}",
            path=folder / WEIGHTS,
            remedy=_DAMAGED,
        ) from error
    calibration = _calibration(config, folder)
    return NetworkClassifier(classifier.to(device), precision=precision, calibration=calibration)


def _config(folder: Path) -> dict[str, Any]:
    """Return a classifier's configuration; raise InputError if it is not one of this version."""
    path = folder / CONFIG
    config = read_json(path)
    if not isinstance(config, dict) or "relgen_version" not in config:
        raise InputError("not a classifier's configuration", path=path, remedy=MODEL_FOLDER)
    writer = config["relgen_version"]
    if config.get("format") != FORMAT or config.get("kind") not in (*_CLASSES, READER):
        raise InputError(
            "this version of relgen does not support this kind or format of classifier",
            path=path,
            value=[config.get("kind"), config.get("format")],
            remedy=_DAMAGED if writer == __version__ else f"use relgen {writer}, which wrote it",
        )
    if not isinstance(config.get("arguments"), dict):
        got = config.get("arguments")
        raise InputError(
            "must be a mapping", path=path, field="arguments", value=got, remedy=_DAMAGED
        )
    return config


def _calibration(config: dict[str, Any], folder: Path) -> Calibration | None:
    found = config.get("calibration")
    if found is None:
        return None
    try:
        if not isinstance(found, dict):
            raise InputError("must be a mapping", value=found)
        return read(Calibration, found)
    except InputError as error:
        field = ".".join(filter(None, ("calibration", error.field)))
        raise error.at(path=folder / CONFIG, field=field, remedy=_DAMAGED) from error


def load_network(folder: str | Path) -> NetworkClassifier:
    """Load a classifier as `load_classifier`; raise InputError if it is a reader."""
    loaded = load_classifier(folder)
    if not isinstance(loaded, NetworkClassifier):
        raise InputError(
            "a reader is a language model with a regression, and no network of its own",
            path=folder,
            remedy=MODEL_FOLDER,
        )
    return loaded


def labels_of(schema: RelationSchema) -> dict[str, Any]:
    """Return what a classifier's outputs depend on: the labels in their order, and the negative."""
    return {"labels": list(schema.labels), "negative": schema.negative}


def weights_hash(weights: dict[str, Tensor]) -> str:
    """Return a hash of tensors' names and content, 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def model_card(config: dict[str, Any], schema: RelationSchema) -> str:
    """Return the card as Markdown from the content of `config.json`."""
    metadata = ModelCardData(
        library_name="relgen",
        pipeline_tag="text-classification",
        tags=["relation-extraction", config["kind"]],
    )
    template = files(__package__).joinpath("model_card.md").read_text(encoding="utf-8")
    how: dict[str, Any] = {"code": markdown_code, "plain": markdown_text, "score_names": _SCORES}
    card = ModelCard.from_template(
        metadata, template_str=template, **how, **{**config, "schema": schema}
    )
    return str(card).rstrip("\n") + "\n"


def _weights(classifier: Classifier) -> dict[str, Tensor]:
    state = classifier.state_dict()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
