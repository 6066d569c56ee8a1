"""Raw text, one on each line, of which pairs of entities become samples without a relation.

The entities and their pairs come from `ReadOptions.candidates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from relgen.common import InputError, read_lines
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the candidates of a file, with ids such as `notes-3/1` by line and pair."""
    checks.remedy = "no sentence has two entities; give other --entities"
    name = options.split_name or path.stem
    for number, line in enumerate(read_lines(path), start=1):
        if options.candidates is None:
            remedy = "say what finds them: --entities gazetteer:names.tsv --schema schema.yaml"
            raise InputError("raw text has no entities", path=path, remedy=remedy)
        with checks.record(number):
            document = f"{name}-{number}"
            found = list(options.candidates(document, line.strip())) if line.strip() else []
            if line.strip() and not found:
                checks.note("have no pair of entities", number)
            for sample in found:
                if checks.passes(None, number):
                    yield replace(sample, group=document)
