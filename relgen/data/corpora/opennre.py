"""OpenNRE's JSON lines: wiki80, NYT10, and the files of KnowPrompt and its relatives.

    {"token": ["Ann", "lives", "in", "Bern", "."], "h": {"name": "Ann", "pos": [0, 1]},
     "t": {"name": "Bern", "pos": [3, 4]}, "relation": "residence"}
    {"text": "Ann lives in Bern.", "h": {"pos": [0, 3]}, "t": {"pos": [13, 17]}, …}

`pos` counts tokens when the line has `token`, characters when it has `text`; its end is exclusive.
Tokens are joined by single spaces, and those of KnowPrompt's TACRED, such as -LRB-, become readable
(see `relgen.data.corpora.tokens`). `id` and an entity's `type` are kept where a line has them.

Both projects evaluate a line as Python, and some of the files made for them hold Python's notation
of a dictionary ({'token': ["n't", …]}) in place of JSON: it is read as well, and nothing is run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_lines
from relgen.data.corpora.tokens import TokenText, readable
from relgen.data.samples import Entity, Sample, normalised
from relgen.data.validation import ReadStatistics, RecordChecks

_ROLES = {"head": "h", "tail": "t"}


def read(
    path: str | Path,
    *,
    split_name: str | None = None,
    skip_bad: bool = False,
    statistics: ReadStatistics | None = None,
) -> Iterator[Sample]:
    """Yields the samples of a file, with the ids it has or `opennre-train-1` by line.

    Args:
        path: the JSONL file.
        split_name: for the ids; by default the file's name without its ending.
        skip_bad: leave malformed lines out and count them, in place of raising.
        statistics: receives the counts.

    Raises:
        InputError: names file, line, field, value and remedy.
    """
    split = split_name or Path(path).stem
    checks = RecordChecks(path, skip_bad=skip_bad, statistics=statistics)
    elsewhere, first = 0, ""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            with checks.record(number):
                row = _decode(line)
                own_id = row.get("id")
                sample = _parse(row, f"opennre-{split}-{number}" if own_id is None else str(own_id))
                found = _elsewhere(row, sample)
                elsewhere += len(found)
                first = first or (f"line {number}: {found[0]}" if found else "")
                if checks.passes(None if own_id is None else sample.id, number):
                    yield sample
    checks.finish()
    if elsewhere:
        checks.statistics.doubts.append(
            f"{path}: {elsewhere} entities whose `name` stands in the text, but not at their "
            f"`pos`, the first in {first}: in lines with `text`, `pos` counts characters, "
            "its end exclusive"
        )


def _elsewhere(row: dict[str, Any], sample: Sample) -> list[str]:
    """The entities of a line of characters whose name is found, but not where `pos` says.

    Names that the text does not hold at all are spelt in another way, and tell nothing.
    """
    if "token" in row:
        return []
    text, found = f" {normalised(sample.text)} ", []
    for role, mention in (("head", sample.head_text), ("tail", sample.tail_text)):
        name = row[_ROLES[role]].get("name")
        plain = normalised(name) if isinstance(name, str) else ""
        if plain not in ("", normalised(mention)) and f" {plain} " in text:
            found.append(f"'{name}', where '{mention}' is marked")
    return found


def _decode(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        row = _literal(line)
        if row is None:
            raise InputError(
                f"not valid JSON at column {error.colno}: {error.msg}", value=line.strip()
            ) from error
    if not isinstance(row, dict):
        raise InputError("must be a JSON object", value=row)
    return row


def _literal(line: str) -> Any:
    """The dictionary that Python wrote with `repr`, as JSON has it; None where it is none."""
    # a line may begin with JSON's quotes and go on with Python's
    if not line.lstrip().startswith("{"):
        return None
    try:
        return json.loads(json.dumps(ast.literal_eval(line.strip())))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _parse(row: dict[str, Any], sample_id: str) -> Sample:
    tokens = TokenText.join(row["token"], "token") if "token" in row else None
    if tokens is None and not isinstance(row.get("text"), str):
        raise InputError("a line has `token` or `text`", field="token", value=sorted(row))
    text = row["text"] if tokens is None else tokens.text
    entities = {role: _entity(row, key, tokens, text) for role, key in _ROLES.items()}
    # the checks of texts and offsets are those of a samples file
    return Sample.from_json(
        {
            "id": sample_id,
            "text": text,
            "relation": row.get("relation"),
            **{
                role: {"start": entity.start, "end": entity.end, "type": entity.type}
                for role, entity in entities.items()
            },
        }
    )


def _entity(row: dict[str, Any], key: str, tokens: TokenText | None, text: str) -> Entity:
    entity = row.get(key)
    if not isinstance(entity, dict):
        raise InputError('must be {"name": …, "pos": [start, end]}', field=key, value=entity)
    start, end = offsets(entity.get("pos"), f"{key}.pos")
    name = entity.get("name")
    _refuse_inclusive(start, end, name if isinstance(name, str) else None, f"{key}.pos", tokens)
    kind = entity.get("type")
    if tokens is not None:
        return tokens.entity(start, end, field=f"{key}.pos", kind=kind)
    return Entity(start, end, kind)


def offsets(value: Any, field: str) -> tuple[int, int]:
    """A decoded `[start, end]`.

    Raises:
        InputError: it is not a pair of whole numbers.
    """
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(item, int) and not isinstance(item, bool) for item in value)
    ):
        raise InputError("must be [start, end], two whole numbers", field=field, value=value)
    return value[0], value[1]


def _refuse_inclusive(
    start: int, end: int, name: str | None, field: str, tokens: TokenText | None
) -> None:
    """Files made from TACRED sometimes keep its inclusive ends, which would cut every entity."""
    if name is None or tokens is None or not 0 <= start <= end < len(tokens.starts):
        return
    exclusive = tokens.text[tokens.starts[start] : tokens.ends[end - 1]] if end > start else ""
    inclusive = tokens.text[tokens.starts[start] : tokens.ends[end]]
    named = " ".join(map(readable, name.split()))
    # the first form misses other spacing, the second one a last token of punctuation
    if any(
        form(inclusive) == form(named) != form(exclusive) for form in (str.casefold, normalised)
    ):
        raise InputError(
            f"the end must be exclusive, and '{name}' includes its token",
            field=field,
            value=[start, end],
            remedy="add one to each end",
        )
