"""Label Studio's JSON export: tasks, each with annotations of labelled regions and relations.

    [{"id": 7, "data": {"text": "…"}, "annotations": [{"was_cancelled": false, "result": [
      {"id": "aa", "type": "labels",
       "value": {"start": 0, "end": 10, "text": "…", "labels": ["ORG"]}},
      {"type": "relation", "from_id": "aa", "to_id": "bb", "direction": "right",
       "labels": ["…"]}]}]}]

The arrow goes from the head to the tail; one in both directions gives two samples. Of several
annotations of a task the ground truth counts, or else the most frequent relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.documents import Document, JsonReader, Link, Mention, majority_answer
from relgen.data.validation import AlikeError, RecordChecks, value_of


def _parse(
    task: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document | None:
    if not isinstance(task.get("annotations"), list) or not isinstance(task.get("data"), dict):
        remedy = "export as JSON (JSON-MIN and CSV have no relations)"
        raise AlikeError("no data and annotations", remedy=remedy)
    annotations = [each for each in task["annotations"] if not each.get("was_cancelled")]
    if not annotations:
        checks.note("have no annotation: left out", place)
        return None
    true = [each for each in annotations if each.get("ground_truth")]
    key = f"{name.rpartition('-')[0]}-{task['id']}" if "id" in task else name
    text = _text(task["data"])
    answers = [Document(key, place, text, *_said(each)) for each in true or annotations]
    return majority_answer(answers, checks)


def _said(annotation: Mapping[str, Any]) -> tuple[dict[Any, Mention], list[Link]]:
    result = [each for each in annotation.get("result") or [] if isinstance(each, dict)]
    mentions = {r.get("id"): _mention(r["value"]) for r in result if _is_region(r)}
    return mentions, [x for r in result if r.get("type") == "relation" for x in _links(r)]


def _is_region(region: Mapping[str, Any]) -> bool:
    """Return whether this is an entity, not a choice or a text for one, which have its id too."""
    value = region.get("value")
    return isinstance(value, dict) and not value.keys().isdisjoint({"labels", "hypertextlabels"})


def _mention(value: Mapping[str, Any]) -> Mention:
    place = value.get("globalOffsets") or value  # of hypertext, whose start is a path
    start, end = (value_of(place, key, int) for key in ("start", "end"))
    kinds = value.get("labels") or value.get("hypertextlabels") or [None]
    return Mention(start, end, kinds[0], value.get("text"))


def _links(relation: Mapping[str, Any]) -> Iterator[Link]:
    head, tail = relation.get("from_id"), relation.get("to_id")
    direction = relation.get("direction", "right")
    for label in relation.get("labels") or [""]:
        if direction != "left":
            yield Link(head, tail, label)
        if direction in ("left", "bi"):
            yield Link(tail, head, label)


def _text(data: Mapping[str, Any]) -> str:
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data.get("text", texts[0] if len(texts) == 1 else None)
    if not isinstance(text, str):
        remedy = "name it: --columns text=…"
        raise InputError(
            "which of these is the text?", field="data", value=list(data), remedy=remedy
        )
    return text


read: JsonReader = JsonReader(
    "Label Studio", _parse, "results of the type relation (arrows between regions)"
)
