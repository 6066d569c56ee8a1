"""doccano's JSONL of a project with relation labelling (older versions: `JSONL(relation)`).

{"id": 1, "text": "…", "entities": [{"id": 10, "label": "ORG", "start_offset": 0,
 "end_offset": 10}, …], "relations": [{"id": 5, "from_id": 10, "to_id": 11, "type": "…"}]}
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from relgen.data.corpora.documents import Document, JsonReader, Link, Mention
from relgen.data.corpora.reading import well_formed
from relgen.data.validation import AlikeError, RecordChecks, value_of


def _parse(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    if not isinstance(record.get("entities"), list):
        remedy = "export as JSONL, from a project with 'Use relation labeling'"
        raise AlikeError("no entities and relations", remedy=remedy)
    mentions = dict(well_formed(record["entities"], _mention, place, checks))
    links = [*well_formed(record.get("relations") or [], _link, place, checks)]
    key = f"{name.rpartition('-')[0]}-{record['id']}" if "id" in record else name
    return Document(key, place, value_of(record, "text", str), mentions, links)


def _mention(row: Mapping[str, Any]) -> tuple[Hashable, Mention]:
    """Return the id of an entity and its span."""
    start, end = (value_of(row, f"{name}_offset", int) for name in ("start", "end"))
    return row.get("id"), Mention(start, end, row.get("label"))


def _link(row: Mapping[str, Any]) -> Link:
    return Link(row.get("from_id"), row.get("to_id"), row.get("type") or "")


read: JsonReader = JsonReader("doccano", _parse, "`relations`")
