"""Label patches: new labels for the samples of a corpus, by id.

    {"e1": "per:title", "e2": "no_relation"}            Re-TACRED's format, and that of your own
    [{"id": "e1", "relation": "per:title"}, …]          TACREV's format

TACREV keeps the samples that the file does not name, Re-TACRED drops them. Re-TACRED's patch is
recognised by labels that no other corpus has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from relgen.common import InputError, counted, read_json
from relgen.data.samples import Sample
from relgen.data.schema import RelationSchema

_RETACREDS_OWN = {
    "org:city_of_branch",
    "org:country_of_branch",
    "org:stateorprovince_of_branch",
    "per:identity",
}
_REMEDY = (
    'write {"id": "relation", …} or [{"id": …, "relation": …}, …], '
    "with the ids of the converted samples"
)


class LabelPatch:
    """New labels for some samples; the others are kept, or dropped with `drop_others`.

    `missing` are the ids that no sample had so far, and `others` is the number of samples so far
    that the patch does not name.
    """

    def __init__(self, path: str | Path, *, drop_others: bool = False) -> None:
        self.path = path
        self.drop_others = drop_others
        self.labels = _read_labels(path)
        self.missing = dict.fromkeys(self.labels)
        self.others = 0

    @property
    def is_retacreds(self) -> bool:
        """Return true when a label occurs in Re-TACRED only, as in each of its three patches."""
        return not _RETACREDS_OWN.isdisjoint(self.labels.values())

    def check_labels(self, schema: RelationSchema, known_besides: Collection[str] = ()) -> None:
        """Raise InputError for a label that is neither in the schema nor in `known_besides`."""
        for key, relation in self.labels.items():
            if relation not in schema.labels and relation not in known_besides:
                problem = f"not a relation of schema '{schema.name}'"
                remedy = (
                    "give the authors' file unchanged, or rename the label: "
                    f"--rename '{relation}=NEW'"
                )
                raise InputError(problem, path=self.path, field=key, value=relation, remedy=remedy)

    def apply(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Yield the samples with their new labels; raise InputError if the patch named none."""
        for sample in samples:
            if sample.id in self.labels:
                self.missing.pop(sample.id, None)
                yield sample.with_relation(self.labels[sample.id])
            else:
                self.others += 1
                if not self.drop_others:
                    yield sample
        if len(self.missing) == len(self.labels):
            problem = f"no sample has any of the patch's {counted(len(self.labels), 'id')}"
            remedy = "give the patch of this corpus and split, with the ids of its samples"
            raise InputError(problem, path=self.path, value=next(iter(self.labels)), remedy=remedy)


def _read_labels(path: str | Path) -> dict[str, str]:
    content = read_json(path)
    if isinstance(content, dict):
        content = [{"id": key, "relation": relation} for key, relation in content.items()]
    if not isinstance(content, list):
        problem = "a patch is a JSON object or array"
        raise InputError(problem, path=path, value=content, remedy=_REMEDY)
    labels: dict[str, str] = {}
    for number, entry in enumerate(content, start=1):
        match entry:
            case {"id": str(key), "relation": str(relation)} if relation.strip():
                if (other := labels.setdefault(key, relation)) != relation:
                    problem = f"the id also has the label '{other}'"
                    remedy = "keep one of them"
                    raise InputError(problem, path=path, field=key, value=relation, remedy=remedy)
            case _:
                problem, at = "an entry must be an id and a relation, both strings", f"[{number}]"
                raise InputError(problem, path=path, field=at, value=entry, remedy=_REMEDY)
    if not labels:
        raise InputError("none of the samples is in the patch", path=path, remedy=_REMEDY)
    return labels
