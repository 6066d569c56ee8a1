"""TACRED's JSON: one array of sentences, each with its subject, its object and their relation.

    [{"id": "a1", "token": ["Acme", "-LRB-", "Bern", "-RRB-", "hired", "Ann", "Lee", "."],
      "subj_start": 0, "subj_end": 0, "subj_type": "ORGANIZATION",
      "obj_start": 5, "obj_end": 6, "obj_type": "PERSON",
      "relation": "org:top_members/employees", "docid": "…", "stanford_pos": […], …}, …]

Starts and ends count tokens, and ends are INCLUSIVE. The subject becomes the head, the object the
tail; ids and entity types are kept, other keys are passed over. Tokens are joined by single spaces
once they are readable (`-LRB-` is `(`, see `relgen.data.corpora.tokens`). TACREV and Re-TACRED are
such a file and a patch of its labels (`relgen.data.corpora.patch`). The data is the user's own copy
from the LDC (LDC2018T24).

Zhang et al. 2017, "Position-aware Attention and Supervised Data Improve Slot Filling"; Alt et al.
2020, "TACRED Revisited"; Stoica et al. 2021, "Re-TACRED".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Sample
from relgen.data.validation import ReadStatistics, RecordChecks

TACRED = {"train": 68124, "dev": 22631, "test": 15509}
RETACRED = {"train": 58465, "dev": 19584, "test": 13418}
_ROLES = ("subj", "obj")
_KEYS = {"id", "token", "relation"} | {
    f"{role}_{key}" for role in _ROLES for key in ("start", "end", "type")
}
_REMEDY = "give TACRED's train.json, dev.json or test.json; KnowPrompt's files are --format opennre"


def read(
    path: str | Path,
    *,
    split_name: str | None = None,
    skip_bad: bool = False,
    statistics: ReadStatistics | None = None,
) -> Iterator[Sample]:
    """Yields the samples of a TACRED file; `split_name` is not used, since the ids are the file's.

    Raises:
        InputError: names file, record (its id, or `[3]` counted from 1), field, value and remedy.
    """
    content = read_json(path, keep=_KEYS)
    if not isinstance(content, list):
        raise InputError(
            "must be an array of sentences",
            path=path,
            value=type(content).__name__,
            remedy=_REMEDY,
        )
    checks = RecordChecks(path, skip_bad=skip_bad, statistics=statistics, remedy=_REMEDY)
    for number, record in enumerate(content, start=1):
        key = record.get("id") if isinstance(record, dict) else None
        name = key if isinstance(key, str) and key.strip() else f"[{number}]"
        with checks.record(name):
            sample = _parse(record)
            if checks.passes(sample.id, f"[{number}]"):
                yield sample
    checks.finish()


def unusual_size(
    path: str | Path, split_name: str | None, *, read: int, kept: int | None = None
) -> str | None:
    """What is odd about the number of samples; None when it is a published one.

    Args:
        path: the corpus file, whose name may tell the split (`train.json`, `dev_rev.json`).
        split_name: the split, where the user named it.
        read: how many records the file has.
        kept: how many are left once Re-TACRED's patch has dropped the others; None without it.
    """
    words = re.split(r"[^a-z]+", (split_name or Path(path).stem).lower())
    named = next((name for name in TACRED if name in words), None)
    split = next((name for name in TACRED if read in (TACRED[name], RETACRED[name])), None)
    if split is None or split != (named or split):
        splits = [named] if named else list(TACRED)
        other = f" (as many as {split} has)" if split else ""
        return (
            f"{path}: {read:,} samples{other}, while TACRED has {_sizes(TACRED, splits)} and "
            f"Re-TACRED {_sizes(RETACRED, splits)}: a partial or other copy"
        )
    if kept is not None and kept != RETACRED[split]:
        return (
            f"{path}: the patch leaves {kept:,} samples, while the {split} split of Re-TACRED has "
            f"{RETACRED[split]:,}: a partial or other patch"
        )
    return None


def _sizes(corpus: dict[str, int], splits: list[str]) -> str:
    return ", ".join(f"{corpus[name]:,} ({name})" for name in splits)


def _parse(record: Any) -> Sample:
    if not isinstance(record, dict):
        raise InputError("a sentence must be a JSON object", value=record)
    for key in ("id", "relation"):
        if not isinstance(record.get(key), str):
            raise InputError("must be a text", field=key, value=record.get(key))
    tokens = TokenText.join(record.get("token"), "token")
    (head_start, head_end), (tail_start, tail_end) = (
        _span(record, role, len(tokens.starts)) for role in _ROLES
    )
    if head_start <= tail_end and tail_start <= head_end:
        raise InputError(
            "subject and object overlap",
            field="obj_start",
            value=[[head_start, head_end], [tail_start, tail_end]],
        )
    head = tokens.entity(head_start, head_end + 1, field="subj_start", kind=_kind(record, "subj"))
    tail = tokens.entity(tail_start, tail_end + 1, field="obj_start", kind=_kind(record, "obj"))
    return Sample(record["id"], tokens.text, head, tail, record["relation"])


def _span(record: dict[str, Any], role: str, count: int) -> tuple[int, int]:
    """The first and the last token of the subject or object."""
    for key in (f"{role}_start", f"{role}_end"):
        value = record.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError("must be a whole number", field=key, value=value)
    start, end = record[f"{role}_start"], record[f"{role}_end"]
    if not 0 <= start <= end < count:
        raise InputError(
            f"token indices must satisfy 0 <= start <= end < {count}, the number of tokens",
            field=f"{role}_start",
            value=[start, end],
        )
    return start, end


def _kind(record: dict[str, Any], role: str) -> str | None:
    value = record.get(f"{role}_type")
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InputError("must be a text", field=f"{role}_type", value=value)
    return value
