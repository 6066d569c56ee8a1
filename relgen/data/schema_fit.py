"""Compares samples with a schema: labels that it lacks, and entity types that it excludes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from relgen.common import CombinedInputError, InputError, counted
from relgen.data.samples import UNLABELLED, Sample
from relgen.data.schema import RelationSchema


class SchemaFit:
    """Gives samples the labels of a schema, and counts those that do not fit it."""

    def __init__(self, schema: RelationSchema) -> None:
        self.schema = schema
        self._titles, self._titled = schema.titles, Counter[str]()
        self._unknown = Counter[str]()
        self._first: dict[str, str] = {}
        self._allowed: dict[tuple[str | None, str | None], frozenset[str]] = {}
        self._excluded, self._example = 0, ""

    def labelled(self, sample: Sample) -> Sample | None:
        """Return a sample with a label in place of a title; None where the schema has neither."""
        if sample.relation == UNLABELLED:
            return sample
        if sample.relation in self._titles:
            self._titled[sample.relation] += 1
            sample = replace(sample, relation=self._titles[sample.relation])
        if sample.relation not in self.schema:
            self._unknown[sample.relation] += 1
            self._first.setdefault(sample.relation, sample.id)
            return None
        types = (sample.head.type, sample.tail.type)
        if types not in self._allowed:
            fits = zip(self.schema.labels, self.schema.allowed(*types), strict=True)
            self._allowed[types] = frozenset(label for label, allowed in fits if allowed)
        if sample.relation not in self._allowed[types]:
            self._excluded += 1
            what = f"{sample.relation} between {types[0]} and {types[1]}"
            self._example = self._example or f"{sample.id}: {what}"
        return sample

    def refuse_unknown(self, path: str | Path) -> None:
        """Raise InputError, with a line for each label that the schema lacks."""
        errors = [
            InputError(
                f"{error.problem} ({counted(number, 'sample')}, the first {self._first[label]})",
                path=path,
                field=error.field,
                value=label,
                remedy=error.remedy,
            )
            for label, number, error in self._errors()
        ]
        if errors:
            raise errors[0] if len(errors) == 1 else CombinedInputError(errors)

    def notes(self) -> list[str]:
        """Return a line for each title that became a label, and for each label left out."""
        return [
            *(
                f"{counted(number, 'sample')} labelled '{title}', the title of a relation: renamed"
                for title, number in self._titled.items()
            ),
            *(
                f"{counted(number, 'sample')} left out: '{label}' is no relation of the schema "
                f"(the first: {self._first[label]}; {error.remedy})"
                for label, number, error in self._errors()
            ),
        ]

    def _errors(self) -> Iterator[tuple[str, int, InputError]]:
        for label, number in self._unknown.items():
            try:
                self.schema.check_label(label)
            except InputError as error:
                yield label, number, error

    def doubts(self) -> list[str]:
        """Return a warning where entity types are not those of the relation in the schema."""
        if not self._excluded:
            return []
        return [
            f"{counted(self._excluded, 'sample')} with entity types that the schema excludes for "
            f"the relation, the first {self._example}"
        ]
