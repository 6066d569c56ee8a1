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

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.documents import Document, JsonReader, Link, Mention
from relgen.data.validation import AlikeError, RecordChecks, value_of

_DIFFER = "have annotations that differ: the most frequent counts, or else the first with relations"


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
    said = [_said(each) for each in true or annotations]
    related = [_related(*each) for each in said]
    counts = Counter(related)
    if len(counts) > 1:
        checks.note(_DIFFER, place)
    # of equally frequent ones, the first with relations
    most = max(range(len(said)), key=lambda i: (counts[related[i]], bool(related[i]), -i))
    mentions, links = said[most]
    key = f"{name.rpartition('-')[0]}-{task['id']}" if "id" in task else name
    return Document(key, place, _text(task["data"]), mentions, links)


def _said(annotation: Mapping[str, Any]) -> tuple[dict[Any, Mention], list[Link]]:
    result = [each for each in annotation.get("result") or [] if isinstance(each, dict)]
    mentions = {r.get("id"): _mention(r["value"]) for r in result if _is_region(r)}
    return mentions, [x for r in result if r.get("type") == "relation" for x in _links(r)]


def _related(mentions: Mapping[Any, Mention], links: Sequence[Link]) -> Hashable:
    """Return what the annotations of one task have in common if they agree."""
    ends = {key: (mention.start, mention.end) for key, mention in mentions.items()}
    return frozenset((ends.get(x.head), ends.get(x.tail), x.label) for x in links)


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
