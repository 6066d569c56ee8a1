"""Label patches: an object `{"id": "relation"}` that corrects labels of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from relgen.errors import InputError
from relgen.files import read_json
from relgen.samples import Sample

_REMEDY = 'write {"id": "relation", …}, with the ids of the converted samples'


class LabelPatch:
    """New labels for some samples.

    Args:
        path: the JSON file.

    Raises:
        InputError: it is not an object that maps ids to relations.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.applied = 0
        content = read_json(path)
        if not isinstance(content, dict):
            raise InputError("a patch is one JSON object", path=path, value=content, remedy=_REMEDY)
        for key, relation in content.items():
            if not isinstance(relation, str) or not relation.strip():
                raise InputError(
                    "a relation is a text", path=path, field=key, value=relation, remedy=_REMEDY
                )
        self.labels: dict[str, str] = content

    def __len__(self) -> int:
        return len(self.labels)

    def apply(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Yields the samples, those that the patch names under their new label.

        Raises:
            InputError: at the end, when the patch named none of them.
        """
        for sample in samples:
            if sample.id in self.labels:
                self.applied += 1
                yield sample.with_relation(self.labels[sample.id])
            else:
                yield sample
        if self.labels and not self.applied:
            raise InputError(
                f"no sample has any of its {len(self.labels)} ids",
                path=self.path,
                value=next(iter(self.labels)),
                remedy=_REMEDY,
            )
