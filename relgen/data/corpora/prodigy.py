"""Prodigy's JSON lines (`db-out` of `rel.manual`): spans, and relations from head to child.

    {"text": "…", "spans": [{"start": 0, "end": 10, "label": "ORG", "token_end": 1, …}, …],
     "relations": [{"head": 1, "child": 6, "head_span": {"start": 0, "end": 10, …},
                    "child_span": {…}, "label": "founded_by"}], "answer": "accept"}

Only accepted answers count, and of several to a task the most frequent relations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relgen.data.corpora.documents import Document, JsonReader, Link, Mention
from relgen.data.corpora.reading import well_formed
from relgen.data.validation import RecordChecks, value_of


def _parse(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document | None:
    if (answer := record.get("answer", "accept")) != "accept":
        checks.note(f"have the answer '{answer}': left out", place)
        return None
    spans = [*(record.get("spans") or [])]
    relations = record.get("relations") or []
    by_token = {span.get("token_end"): span for span in spans}

    def link(relation: Mapping[str, Any]) -> Link:
        ends = []
        for role in ("head", "child"):
            span = relation.get(f"{role}_span") or by_token.get(relation.get(role)) or {}
            spans.append(span)
            places = (span.get("start"), span.get("end"))
            ends.append(places if all(isinstance(each, int) for each in places) else None)
        return Link(ends[0], ends[1], relation.get("label") or "")

    links = [*well_formed(relations, link, place, checks)]
    placed = [span for span in spans if span.keys() >= {"start", "end"}]
    mentions = dict(well_formed(placed, _mention, place, checks))
    text, shown = value_of(record, "text", str), record.get("_task_hash")
    task = None if shown is None else (str(shown), text)
    return Document(name, place, text, mentions, links, task=task)


def _mention(span: Mapping[str, Any]) -> tuple[tuple[int, int], Mention]:
    start, end = (value_of(span, key, int) for key in ("start", "end"))
    return (start, end), Mention(start, end, span.get("label"), span.get("text"))


read: JsonReader = JsonReader("Prodigy", _parse, "`relations`")
