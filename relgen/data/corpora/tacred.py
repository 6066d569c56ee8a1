"""TACRED's JSON: an array of sentences, each with a subject, an object and their relation.

    [{"id": "a1", "token": ["Acme", "-LRB-", "Bern", "-RRB-", "hired", "Ann", "Lee", "."],
      "subj_start": 0, "subj_end": 0, "subj_type": "ORGANIZATION",
      "obj_start": 5, "obj_end": 6, "obj_type": "PERSON",
      "relation": "org:top_members/employees", "docid": "…", "stanford_pos": […], …}, …]

Offsets count tokens, and ends are INCLUSIVE. The subject becomes the head, the object the tail; ids
and entity types are kept, other keys are ignored. Tokens are joined as in
`relgen.data.corpora.tokens`. TACREV and Re-TACRED consist of such a file and a patch of its labels
(`relgen.data.corpora.patch`). The user provides the data (LDC2018T24).

Zhang et al. 2017, "Position-aware Attention and Supervised Data Improve Slot Filling"; Alt et al.
2020, "TACRED Revisited"; Stoica et al. 2021, "Re-TACRED".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json
from relgen.data.corpora.reading import ReadOptions, whole_number
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

TACRED = {"train": 68124, "dev": 22631, "test": 15509}
RETACRED = {"train": 58465, "dev": 19584, "test": 13418}
_KEYS = {"id", "token", "relation"} | {
    f"{role}_{key}" for role in ("subj", "obj") for key in ("start", "end", "type")
}
_REMEDY = "give TACRED's train.json, dev.json or test.json; KnowPrompt's files are --format opennre"


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a TACRED file, with the file's ids.

    Messages name a record by its id, or `[3]`, counted from 1.
    """
    checks.remedy = _REMEDY
    content = read_json(path, keep=_KEYS)
    if not isinstance(content, list):
        problem = "must be an array of sentences"
        raise InputError(problem, path=path, value=type(content).__name__, remedy=_REMEDY)
    for number, record in enumerate(content, start=1):
        key = record.get("id") if isinstance(record, dict) else None
        name = key if isinstance(key, str) and key.strip() else f"[{number}]"
        with checks.record(name):
            sample = _parse(record)
            if checks.passes(sample.id, f"[{number}]"):
                yield sample


def unusual_tacred_size(
    path: str | Path, split_name: str | None, *, read: int, kept: int | None = None
) -> str | None:
    """Return a warning when the number of samples is not that of a published split, or None.

    Args:
        path: the corpus file, whose name may contain the split (`train.json`, `dev_rev.json`).
        split_name: the split, if the user named it.
        read: number of records in the file.
        kept: number of records left after Re-TACRED's patch, if any.
    """
    words = re.split(r"[^a-z]+", (split_name or Path(path).stem).lower())
    named = next((name for name in TACRED if name in words), None)
    split = next((name for name in TACRED if read in (TACRED[name], RETACRED[name])), None)
    if split is None or split != (named or split):
        splits = [named] if named else list(TACRED)
        other = f" (the size of {split})" if split else ""
        return (
            f"{path}: {read:,} samples{other}, while TACRED has {_sizes(TACRED, splits)} and "
            f"Re-TACRED {_sizes(RETACRED, splits)}: an incomplete or other copy"
        )
    if kept is not None and kept != RETACRED[split]:
        return (
            f"{path}: the patch leaves {kept:,} samples, while the {split} split of Re-TACRED has "
            f"{RETACRED[split]:,}: an incomplete or other patch"
        )
    return None


def _sizes(corpus: dict[str, int], splits: list[str]) -> str:
    return ", ".join(f"{corpus[name]:,} ({name})" for name in splits)


def _parse(record: Any) -> Sample:
    if not isinstance(record, dict):
        raise InputError("a sentence must be a JSON object", value=record)
    for key in ("id", "relation"):
        if not isinstance(record.get(key), str):
            raise InputError("must be a string", field=key, value=record.get(key))
    tokens = TokenText.join(record.get("token"), "token")
    spans = {role: _span(record, role, tokens) for role in ("subj", "obj")}
    subject, obj = spans.values()
    if subject[0] <= obj[1] and obj[0] <= subject[1]:
        raise InputError(
            "subject and object overlap", field="obj_start", value=[list(subject), list(obj)]
        )
    head, tail = (
        tokens.entity(start, end + 1, field=f"{role}_start", kind=_kind(record, role))
        for role, (start, end) in spans.items()
    )
    return Sample(record["id"], tokens.text, head, tail, record["relation"])


def _span(record: dict[str, Any], role: str, tokens: TokenText) -> tuple[int, int]:
    keys = f"{role}_start", f"{role}_end"
    for key in keys:
        if not whole_number(record.get(key)):
            raise InputError("must be a whole number", field=key, value=record.get(key))
    start, end = (record[key] for key in keys)
    if not 0 <= start <= end < len(tokens.starts):
        size = len(tokens.starts)
        problem = f"token indices must satisfy 0 <= start <= end < {size}, the token count"
        raise InputError(problem, field=keys[0], value=[start, end])
    return start, end


def _kind(record: dict[str, Any], role: str) -> str | None:
    kind = record.get(f"{role}_type")
    if kind is not None and (not isinstance(kind, str) or not kind.strip()):
        raise InputError("must be a string", field=f"{role}_type", value=kind)
    return kind
