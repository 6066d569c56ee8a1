"""Writes samples as tasks for annotation tools, with their labels as suggestions.

Each task holds the sample's id, by which `results` finds it again: in Label Studio's `data` and in
Prodigy's `meta` as `relgen_id`, and as a record's `id` in Argilla.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from relgen.common import (
    check_outputs,
    counted,
    recorded,
    write_json,
    write_jsonl,
    write_text,
)
from relgen.data import UNLABELLED, Entity, RelationSchema, Sample, word_spans
from relgen.review.options import Tool
from relgen.review.order import in_review_order

UNTYPED = "entity"
"""The label, in a tool, of an entity without a type."""
REJECT = "(reject)"
"""The answer in Argilla that rejects a sentence."""


def export_tasks(
    tool: Tool,
    samples: Sequence[Sample],
    schema: RelationSchema,
    out: Path,
    inputs: Sequence[str | Path | None],
    *,
    force: bool = False,
) -> None:
    """Write the samples that nobody has reviewed, the most uncertain first, and say where.

    For Label Studio, its labelling configuration is written next to the tasks. Without `force`, a
    file with other content is an error, and with it one that this function has not written.
    """
    fits, unlike = _SHOWN.get(tool, (lambda _: True, ""))
    chosen, config = in_review_order(samples), out.with_suffix(".xml")
    shown = [sample for sample in chosen if fits(sample)]
    said = f"{counted(len(shown), 'task')} -> {out}"
    files = [out, *([config] if tool == "label-studio" else [])]
    check_outputs(files, inputs)
    with recorded(files, "review --export"):
        if tool == "label-studio":
            write_json(out, [label_studio_task(one) for one in shown], replace=force)
            write_text(config, label_studio_config(shown, schema), replace=force)
            said += f"; labelling configuration -> {config}"
        elif tool == "prodigy":
            write_jsonl(out, map(prodigy_task, shown), replace=force)
        else:
            write_json(out, [argilla_record(one) for one in shown], replace=force)
    if len(shown) < len(chosen):
        said += f"; {len(chosen) - len(shown)} {unlike}, left out"
    print(said)


def label_studio_task(sample: Sample) -> dict[str, Any]:
    """Return a task with its prediction; offsets count characters, as Label Studio does."""

    def region(role: str, entity: Entity) -> dict[str, Any]:
        start, end = entity.start, entity.end
        labels = [entity.type or UNTYPED]
        value = {"start": start, "end": end, "text": sample.text[start:end], "labels": labels}
        where = {"from_name": "entities", "to_name": "text", "type": "labels"}
        return {"id": role, **where, "value": value}

    result = [region("head", sample.head), region("tail", sample.tail)]
    if sample.relation != UNLABELLED:
        ends = {"from_id": "head", "to_id": "tail", "direction": "right"}
        result.append({"type": "relation", **ends, "labels": [sample.relation]})
    prediction: dict[str, Any] = {"model_version": "relgen", "result": result}
    if (score := _score(sample)) is not None:
        prediction["score"] = score
    data = {"text": sample.text, "relgen_id": sample.id}
    return {"data": data, "predictions": [prediction]}


def label_studio_config(samples: Sequence[Sample], schema: RelationSchema) -> str:
    """Return the labelling configuration of a project for tasks of these samples."""
    kinds = dict.fromkeys(e.type or UNTYPED for s in samples for e in (s.head, s.tail))
    lines = [
        "<View>",
        "  <Relations>",
        *(f"    <Relation value={quoteattr(label)}/>" for label in schema.labels),
        "  </Relations>",
        '  <Labels name="entities" toName="text">',
        *(f"    <Label value={quoteattr(kind)}/>" for kind in kinds),
        "  </Labels>",
        '  <Text name="text" value="$text"/>',
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def prodigy_task(sample: Sample) -> dict[str, Any]:
    """Return a task of `rel.manual`, with tokens that begin and end where the entities do."""
    tokens, spans = _tokens(sample), {}
    for role, entity in (("head", sample.head), ("tail", sample.tail)):
        inside = [t["id"] for t in tokens if entity.start <= t["start"] < entity.end]
        spans[role] = {
            "text": sample.text[entity.start : entity.end],
            "start": entity.start,
            "end": entity.end,
            "token_start": inside[0],
            "token_end": inside[-1],
            "label": entity.type or UNTYPED,
        }
    ends = {"head": spans["head"]["token_end"], "child": spans["tail"]["token_end"]}
    relation = {**ends, "head_span": spans["head"], "child_span": spans["tail"]}
    meta: dict[str, Any] = {"relgen_id": sample.id}
    if (score := _score(sample)) is not None:
        meta["probability"] = score
    return {
        "text": sample.text,
        "tokens": tokens,
        "spans": sorted(spans.values(), key=lambda span: span["start"]),
        "relations": []
        if sample.relation == UNLABELLED
        else [{**relation, "label": sample.relation}],
        "meta": meta,
    }


def argilla_record(sample: Sample) -> dict[str, Any]:
    """Return a record as `dataset.records.from_json` reads it."""
    spans = [
        {"start": entity.start, "end": entity.end, "label": role}
        for role, entity in (("head", sample.head), ("tail", sample.tail))
    ]
    suggestions: dict[str, Any] = {"entities": {"value": spans, "score": None, "agent": "relgen"}}
    if sample.relation != UNLABELLED:
        score = {"score": _score(sample), "agent": "relgen"}
        suggestions["relation"] = {"value": sample.relation, **score}
    return {
        "id": sample.id,
        "fields": {"text": sample.text},
        "metadata": {},
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def _tokens(sample: Sample) -> list[dict[str, Any]]:
    """Return words and the punctuation between them, cut where entities begin and end."""
    text, cuts = sample.text, {0, len(sample.text)}
    for entity in (sample.head, sample.tail):
        cuts |= {entity.start, entity.end}
    for span in word_spans(text):
        cuts |= {*span}
    places = sorted(cuts)
    tokens: list[dict[str, Any]] = []
    for begin, end in pairwise(places):
        piece, start = text[begin:end], begin
        for part in piece.split():
            start = text.index(part, start)
            stop = start + len(part)
            spaced = text[stop : stop + 1].isspace()
            tokens.append(
                {"text": part, "start": start, "end": stop, "id": len(tokens), "ws": spaced}
            )
            start = stop
    return tokens


_SHOWN: dict[Tool, tuple[Callable[[Sample], bool], str]] = {
    "prodigy": (
        lambda sample: not sample.overlapping,
        "with overlapping entities, which Prodigy cannot show",
    ),
    "argilla": (
        lambda sample: max(sample.text) <= "\uffff",
        "with emoji or the like, which Argilla counts as two characters",
    ),
}
"""The tools that cannot show every sample: a test of one, and what is said of the others."""


def _score(sample: Sample) -> float | None:
    return None if sample.scores is None else round(sample.scores.get(sample.relation, 0.0), 6)
