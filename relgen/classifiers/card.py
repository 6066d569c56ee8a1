"""The model card of a saved classifier: its relations, training data, settings and scores."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from relgen.data import RelationSchema

_SCORES = {
    "micro_f1": "micro-F1 without the negative label",
    "macro_f1": "macro-F1",
    "official_f1": "SemEval's official score",
    "precision": "precision",
    "recall": "recall",
}


def model_card(config: Mapping[str, Any], schema: RelationSchema) -> str:
    """Return the card as Markdown, with the Hub's metadata on top.

    Args:
        config: the content of `config.json`.
        schema: the relations.
    """
    metadata = ModelCardData(
        library_name="relgen",
        pipeline_tag="text-classification",
        tags=["relation-extraction", config["kind"]],
    )
    template = files(__package__).joinpath("model_card.md").read_text(encoding="utf-8")
    card = ModelCard.from_template(
        metadata, template_str=template, schema=schema, score_names=_SCORES, **config
    )
    return str(card).rstrip("\n") + "\n"
