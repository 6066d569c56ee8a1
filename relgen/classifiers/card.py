"""The model card of a saved classifier: what it tells apart, what it learnt from, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relgen.data import RelationSchema


def model_card(config: Mapping[str, Any], schema: RelationSchema) -> str:
    """The card, as Markdown.

    Args:
        config: what `config.json` holds.
        schema: the relations.
    """
    parts = [
        f"# Relation classifier: {schema.name}",
        f"Tells {len(schema)} relations apart, between two marked entities of a sentence. "
        f"Architecture: `{config['kind']}` on `{config['arguments'].get('model', 'unknown')}`. "
        f"Written by relgen {config['relgen_version']}; weights `{config['weights']}`.",
        _retrieval(config["arguments"].get("retrieval")),
        _usage(),
        _relations(schema),
        _data(config.get("data")),
        _training(config.get("training")),
        _scores(config.get("scores")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage() -> str:
    return (
        "## Use\n\n"
        "```python\n"
        "import relgen\n\n"
        'clf = relgen.load_classifier("THIS FOLDER")\n'
        'clf.predict(text="Ann founded Acme in 1990.", head="Acme", tail="Ann")\n'
        "```"
    )


def _retrieval(retrieval: Mapping[str, Any] | None) -> str:
    if not retrieval:
        return ""
    trained = retrieval.get("trained")
    begun = f"It began with the weights of the KnowPrompt in `{trained}`. " if trained else ""
    return (
        f"{begun}"
        f"Its scores join those of the nearest of {retrieval['samples']} stored training samples: "
        f"λ = {retrieval['interpolation']:g}, k = {retrieval['neighbours']}, "
        f"T = {retrieval['temperature']:g} ({retrieval['source']})."
    )


def _relations(schema: RelationSchema) -> str:
    rows = [
        f"| `{relation.name}`{' (negative)' if relation.name == schema.negative else ''} "
        f"| {relation.explanation.replace('|', '/')} |"
        for relation in schema
    ]
    return "\n".join(["## Relations", "", "| label | meaning |", "|---|---|", *rows])


def _data(data: Mapping[str, Any] | None) -> str:
    if not data:
        return "## Training data\n\nNot recorded."
    lines = ["## Training data", "", "| part | file | samples | SHA-256 |", "|---|---|---|---|"]
    generators: list[str] = []
    for part, entry in data["files"].items():
        name = Path(entry["file"]).name
        lines.append(f"| {part} | {name} | {entry['samples']} | `{entry['sha256'][:16]}` |")
        generators += entry.get("models", [])
    if generators:
        written = ", ".join(f"`{model}`" for model in generators)
        lines += ["", f"The generated sentences were written by {written}, a language model."]
    cut = sum(data.get("truncated", {}).values())
    if cut:
        lines += ["", f"{cut} texts were too long and were cut around both entities."]
    return "\n".join(lines)


def _training(training: Mapping[str, Any] | None) -> str:
    if not training:
        return ""
    rows = [f"| {name} | {value} |" for name, value in training.items()]
    return "\n".join(["## Training", "", "| setting | value |", "|---|---|", *rows])


def _scores(scores: Mapping[str, Any] | None) -> str:
    if not scores:
        return "## Scores\n\nNot tested yet: run `relgen classifier test`."
    names = {
        "micro_f1": "micro-F1 without the negative label",
        "macro_f1": "macro-F1",
        "official_f1": "SemEval's official score",
        "precision": "precision",
        "recall": "recall",
    }
    lines = ["## Scores", "", "| score | % |", "|---|---|"]
    lines += [
        f"| {title} | {100 * scores[name]:.2f} |"
        for name, title in names.items()
        if scores.get(name) is not None
    ]
    lines += ["", "| relation | precision | recall | F1 | support |", "|---|---|---|---|---|"]
    lines += [
        f"| `{label}` | {100 * row['precision']:.1f} | {100 * row['recall']:.1f} "
        f"| {100 * row['f1']:.1f} | {row['support']} |"
        for label, row in scores["per_relation"].items()
    ]
    return "\n".join(lines)
