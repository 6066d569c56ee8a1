"""Tagged text, a format for writing samples by hand: a label, a tab, a sentence.

    founded_by<TAB><tail>Ann</tail> started <head>Acme</head> in a garage.
    founded_by<TAB><head:ORG>Bolt</head> was <tail:PERSON>Cem</tail>'s idea.

Types are optional. Empty lines and lines that start with `#` are skipped. See
`relgen.data.tagged_text` for characters that must be escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relgen.common import InputError, read_lines
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample
from relgen.data.tagged_text import MarkupError, parse
from relgen.data.validation import RecordChecks

_EXAMPLE = "write: label, a tab, a sentence with <head>…</head> and <tail>…</tail>"


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file of tagged text, with ids such as `train-3` (line 3)."""
    checks.remedy = _EXAMPLE
    name = options.split_name or path.stem
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        with checks.record(number):
            label, tab, tagged = line.rstrip("\r\n").partition("\t")
            if not tab or not label.strip():
                problem = "no label and tab before the sentence"
                raise InputError(problem, value=line.rstrip("\r\n"), remedy=_EXAMPLE)
            try:
                text, head, tail = parse(tagged.strip())
            except MarkupError as error:
                problem = f"the tags cannot be parsed ({error.reason})"
                raise InputError(
                    problem, field="sentence", value=tagged, remedy=_EXAMPLE
                ) from error
            sample = Sample(f"{name}-{number}", text, head, tail, label.strip())
            if checks.passes(None, number, confirmed=True):
                yield sample
