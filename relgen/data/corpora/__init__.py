"""Corpora: one module per format, which a line in `FORMATS` adds to `relgen data convert --format`.

A reader is a function `read(path, checks, options)` that yields samples (see `reading.Reader`);
`tagged` is a short example.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from relgen.common import InputError, suggestion
from relgen.data.corpora import fewrel, hub, opennre, semeval, tacred, tagged
from relgen.data.corpora.everyday import read_split as read_split
from relgen.data.corpora.everyday import save_everyday as save_everyday
from relgen.data.corpora.patch import LabelPatch as LabelPatch
from relgen.data.corpora.reading import Reader as Reader
from relgen.data.corpora.reading import ReadOptions as ReadOptions
from relgen.data.corpora.tacred import unusual_tacred_size as unusual_tacred_size
from relgen.data.samples import Sample, checked_samples
from relgen.data.validation import RecordChecks


class Format(NamedTuple):
    """A corpus format: its reader, and a description for the command's help."""

    read: Reader
    description: str


FORMATS: dict[str, Format] = {
    "semeval": Format(semeval.read, "SemEval-2010 Task 8's TRAIN_FILE.TXT and TEST_FILE_FULL.TXT"),
    "tacred": Format(
        tacred.read,
        "TACRED's train.json, dev.json and test.json; TACREV with --labels dev_patch.json, "
        "Re-TACRED with --labels dev_id2label.json (recognised by its labels; it drops samples)",
    ),
    "opennre": Format(
        opennre.read,
        "lines with token (or text), h, t and relation: wiki80, NYT10, KnowPrompt's files (where "
        "TACRED's negative label may be NA: --rename NA=no_relation)",
    ),
    "fewrel": Format(fewrel.read, "FewRel's train_wiki.json"),
    "tagged": Format(
        tagged.read, "a label, a tab and a sentence with <head>…</head>, <tail>…</tail>"
    ),
    "jsonl": Format(
        lambda path, checks, options: checked_samples(checks), "samples.jsonl, to check it"
    ),
    "hub": Format(hub.read, "a Hub id, or a folder or file that `datasets` loads"),
}


def read_corpus(
    name: str, checks: RecordChecks, options: ReadOptions | None = None
) -> Iterator[Sample]:
    """Yield the samples of the checks' file, folder or Hub id, in the format `name`."""
    if name not in FORMATS:
        remedy = suggestion(name, FORMATS, f"use one of {', '.join(FORMATS)}", cutoff=0.7)
        raise InputError("no such format", field="--format", value=name, remedy=remedy)
    yield from FORMATS[name].read(Path(checks.path), checks, options or ReadOptions())
    checks.finish()


def find_corpus(path: str | Path) -> Path:
    """Return `path`, or the same path below `$RELGEN_DATA` when only that exists."""
    path = Path(path)
    root = os.environ.get("RELGEN_DATA")
    if root and not path.exists() and (Path(root) / path).exists():
        return Path(root) / path
    return path
