"""SemEval-2010 Task 8: the official TRAIN_FILE.TXT and TEST_FILE_FULL.TXT.

    8<TAB>"<e1>People</e1> have been moving back into <e2>downtown</e2>."
    Entity-Destination(e1,e2)
    Comment:

A blank line ends a record. `e1` becomes the head and `e2` the tail; the direction stays part of the
label, as in the literature. The files contain no escapes, so the text is read literally, including
quotation marks within the outer pair.

Hendrickx et al. 2010, "SemEval-2010 Task 8: Multi-Way Classification of Semantic Relations Between
Pairs of Nominals"; CC BY 3.0.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from relgen.common import InputError, read_lines
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks

TRAIN_FILE, TEST_FILE = "TRAIN_FILE.TXT", "TEST_FILE_FULL.TXT"
LAST_TRAIN_NUMBER = 8000
_SENTENCE = re.compile(r'(\d+)[\t ]+"(.*)"\s*')
_LABEL = re.compile(r"Other|[A-Za-z]+-[A-Za-z]+\((?:e1,e2|e2,e1)\)")
_TAG = re.compile(r"(</?e[12]>)")
_REMEDY = f"give the official {TRAIN_FILE} or {TEST_FILE}"


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of an official file, with ids such as `semeval-train-1`.

    In a folder with both files, the split name selects one (train by default). In ids it defaults
    to `train` up to number 8000, and to `test` above.
    """
    if path.is_dir():
        path = path / (TEST_FILE if options.split_name == "test" else TRAIN_FILE)
    checks.path, checks.remedy = path, _REMEDY
    for number, lines in _records(path):
        with checks.record(number):
            sample = _parse(lines, options.split_name)
            if checks.passes(sample.id, number, confirmed=True):
                yield sample


def parse_tagged(tagged: str) -> tuple[str, Entity, Entity]:
    """Return the text, head (e1) and tail (e2) of a sentence with `<e1>` and `<e2>` tags."""
    text, *pieces = _TAG.split(tagged)  # a text, then tags, each with the text after it
    bounds: dict[str, int] = {}
    for tag, piece in zip(pieces[::2], pieces[1::2], strict=True):
        if tag in bounds:
            raise InputError(f"{tag} occurs twice", field="sentence", value=tagged)
        bounds[tag] = len(text)
        text += piece
    for tag in ("<e1>", "</e1>", "<e2>", "</e2>"):
        if tag not in bounds:
            raise InputError(f"{tag} is missing", field="sentence", value=tagged)
    head, tail = (Entity(bounds[f"<{name}>"], bounds[f"</{name}>"]) for name in ("e1", "e2"))
    return text, head, tail


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines between blank ones, with the number of the first."""
    lines: list[str] = []
    for number, line in enumerate(itertools.chain(read_lines(path), ["\n"]), start=1):
        if line.strip():
            lines.append(line.rstrip("\r\n"))
        elif lines:
            yield number - len(lines), lines
            lines = []


def _parse(lines: list[str], split_name: str | None) -> Sample:
    match = _SENTENCE.fullmatch(lines[0])
    if match is None:
        problem = 'a record must begin with a number, a tab and a quoted sentence (5\\t"…")'
        raise InputError(problem, field="sentence", value=lines[0])
    label = "".join(lines[1:2]).strip()
    if not label or label.startswith("Comment:"):
        problem = "the line with the label is missing"
        remedy = f"this is the release without labels: {_REMEDY}"
        raise InputError(problem, field="relation", value=lines[0], remedy=remedy)
    if not _LABEL.fullmatch(label):
        raise InputError("must be Other or like Cause-Effect(e1,e2)", field="relation", value=label)
    if len(lines) > 2 and not lines[2].startswith("Comment:"):
        raise InputError("the third line must be a comment", field="comment", value=lines[2])
    if len(lines) > 3:
        problem = "a blank line must follow a record"
        raise InputError(problem, field="record", value=lines[3])
    number = int(match.group(1))
    split = split_name or ("train" if number <= LAST_TRAIN_NUMBER else "test")
    text, head, tail = parse_tagged(match.group(2))
    return Sample(f"semeval-{split}-{number}", text, head, tail, label)
