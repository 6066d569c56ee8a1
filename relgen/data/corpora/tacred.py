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
from relgen.data.corpora.reading import ReadOptions
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks, value_of

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
    path: str | Path, split_name: str | None, *, read: int, kept: int | None
) -> str | None:
    """Return a warning when the number of samples is not that of a published split, or None.

    `read` is the number of records in the file, whose name may contain the split (`dev_rev.json`);
    `kept` is the number left after Re-TACRED's patch, if known.
    """
    words = re.split(r"[^a-z]+", (split_name or Path(path).stem).lower())
    named = next((name for name in TACRED if name in words), None)
    split = next((name for name in TACRED if read in (TACRED[name], RETACRED[name])), None)
    if split is None or split != (named or split):
        other = f" (the size of {split})" if split else ""
        tacred, retacred = (
            ", ".join(f"{sizes[name]:,} ({name})" for name in ([named] if named else sizes))
            for sizes in (TACRED, RETACRED)
        )
        return (
            f"{path}: {read:,} samples{other}, while TACRED has {tacred} and Re-TACRED {retacred}: "
            "an incomplete or other copy"
        )
    if kept is not None and kept != RETACRED[split]:
        return (
            f"{path}: the patch leaves {kept:,} sample{'' if kept == 1 else 's'}, while the "
            f"{split} split of Re-TACRED has {RETACRED[split]:,}: an incomplete or other patch"
        )
    return None


def _parse(record: Any) -> Sample:
    if not isinstance(record, dict):
        raise InputError("a sentence must be a JSON object", value=record)
    key, relation = value_of(record, "id", str), value_of(record, "relation", str)
    tokens = TokenText.join(record.get("token"), "token")
    size = len(tokens.starts)
    entities = []
    for role in ("subj", "obj"):
        first, last = (value_of(record, f"{role}_{end}", int) for end in ("start", "end"))
        if not 0 <= first <= last < size:
            problem = f"token indices must satisfy 0 <= start <= end < {size}, the token count"
            raise InputError(problem, field=f"{role}_start", value=[first, last])
        typed = record.get(f"{role}_type") is not None
        kind = value_of(record, f"{role}_type", str) if typed else None
        entities.append(tokens.entity(first, last + 1, field=f"{role}_start", kind=kind))
    return Sample(key, tokens.text, entities[0], entities[1], relation)
