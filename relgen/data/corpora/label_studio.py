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

from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.documents import Document, JsonReader, Link, Mention, majority_answer
from relgen.data.corpora.reading import well_formed
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
    answers = [
        Document(key, place, text, *_said(each, place, checks)) for each in true or annotations
    ]
    return majority_answer(answers, checks)


def _said(
    annotation: Mapping[str, Any], place: int | str, checks: RecordChecks
) -> tuple[dict[Any, Mention], list[Link]]:
    result = [each for each in annotation.get("result") or [] if isinstance(each, dict)]
    relations = [each for each in result if each.get("type") == "relation"]
    mentions = dict(well_formed(filter(_is_region, result), _mention, place, checks))
    return mentions, [*chain(*well_formed(relations, _links, place, checks))]


def _is_region(region: Mapping[str, Any]) -> bool:
    """Return whether this is an entity, not a choice or a text for one, which have its id too."""
    value = region.get("value")
    return isinstance(value, dict) and not value.keys().isdisjoint({"labels", "hypertextlabels"})


def _mention(region: Mapping[str, Any]) -> tuple[Hashable, Mention]:
    """Return the id of a region and its entity."""
    value = region["value"]
    place = value.get("globalOffsets") or value  # of hypertext, whose start is a path
    start, end = (value_of(place, key, int) for key in ("start", "end"))
    kinds = value.get("labels") or value.get("hypertextlabels") or [None]
    return region.get("id"), Mention(start, end, kinds[0], value.get("text"))


def _links(relation: Mapping[str, Any]) -> list[Link]:
    right = (relation.get("from_id"), relation.get("to_id"))
    ends = {"left": [right[::-1]], "bi": [right, right[::-1]]}
    found = ends.get(relation.get("direction", "right"), [right])
    return [Link(*pair, label) for label in relation.get("labels") or [""] for pair in found]


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
