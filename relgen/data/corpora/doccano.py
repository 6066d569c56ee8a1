"""doccano's JSONL of a project with relation labelling (older versions: `JSONL(relation)`).

{"id": 1, "text": "…", "entities": [{"id": 10, "label": "ORG", "start_offset": 0,
 "end_offset": 10}, …], "relations": [{"id": 5, "from_id": 10, "to_id": 11, "type": "…"}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relgen.data.corpora.documents import Document, JsonReader, Link, Mention
from relgen.data.validation import AlikeError, RecordChecks, value_of


def _parse(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    if not isinstance(record.get("entities"), list):
        remedy = "export as JSONL, from a project with 'Use relation labeling'"
        raise AlikeError("no entities and relations", remedy=remedy)
    mentions = {
        each.get("id"): Mention(
            value_of(each, "start_offset", int),
            value_of(each, "end_offset", int),
            each.get("label"),
        )
        for each in record["entities"]
    }
    links = [
        Link(each.get("from_id"), each.get("to_id"), each.get("type") or "")
        for each in record.get("relations") or []
    ]
    key = f"{name.rpartition('-')[0]}-{record['id']}" if "id" in record else name
    return Document(key, place, value_of(record, "text", str), mentions, links)


read: JsonReader = JsonReader("doccano", _parse, "`relations`")
