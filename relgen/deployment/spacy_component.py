"""The spaCy component `relgen`, which sets `doc._.relations` from the entities before it.

    nlp = spacy.load("en_core_web_sm")
    nlp.add_pipe("relgen", config={"model": "FOLDER"})
    for head, tail, relation, score in nlp(text)._.relations: ...

The entry point `spacy_factories` makes it known to spaCy wherever relgen is installed.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from relgen.common import EXPORT_FILE, InputError, atomic_folder, check_export, write_json
from relgen.data import UNLABELLED, Entity, Sample
from relgen.prediction import Fact, in_one_direction

_LOG = logging.getLogger(__name__)
_KEY = "relgen.relations"
_FOLDER = "classifier"


class SpacyRelation(NamedTuple):
    """A relation between two entities, and its probability."""

    head: Span
    tail: Span
    relation: str
    score: float


def _relations(doc: Doc) -> list[SpacyRelation]:
    rows = doc.user_data.get(_KEY, [])
    return [SpacyRelation(doc[a:b], doc[c:d], name, score) for a, b, c, d, name, score in rows]


# numbers and strings, unlike spans, travel between processes and into files
Doc.set_extension("relations", getter=_relations, force=True)


class RelationComponent:
    """Predicts a relation for each ordered pair of entities of a sentence (or of a text without).

    Args:
        model: the classifier: a folder, or its name on the Hub; None if `from_disk` follows.
        threshold: least probability of a relation that is kept; None for those that the classifier
            was saved with.
        types: the schema's name of entity types that the pipeline calls otherwise.
        device: where to compute.
    """

    def __init__(
        self, model: str | None, threshold: float | None, types: dict[str, str], device: str
    ) -> None:
        self.model = model
        self.threshold = threshold
        self.types = types
        self.device = device
        self._loaded: Any = None
        self._unknown = set[str]()

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], batch_size: int = 64) -> Iterator[Doc]:
        """Set the relations of many documents; the pairs of `batch_size` are computed at once."""
        for docs in spacy.util.minibatch(stream, batch_size):
            pairs = [(doc, *pair) for doc in docs for pair in self._samples(doc)]
            for doc in docs:
                doc.user_data[_KEY] = []
            found = self.classifier.predict_samples([sample for *_, sample in pairs])
            facts = [
                Fact(
                    id(doc),
                    head.start,
                    tail.start,
                    self.classifier.answer(one, threshold=self.threshold, abstain=True),
                    one.score,
                )
                for (doc, head, tail, _), one in zip(pairs, found, strict=True)
            ]
            schema = self.classifier.schema
            for number in in_one_direction(facts, schema):
                (doc, head, tail, _), fact = pairs[number], facts[number]
                if fact.relation not in (None, schema.negative):
                    row = (head.start, head.end, tail.start, tail.end, *fact[-2:])
                    doc.user_data[_KEY].append(row)
            yield from docs

    @property
    def classifier(self) -> Any:
        """Return the classifier, which is loaded when it is first needed."""
        if self._loaded is None:
            from relgen.classifiers import load_classifier

            if self.model is None:
                remedy = 'give it: nlp.add_pipe("relgen", config={"model": …})'
                raise InputError("the component has no classifier", field="model", remedy=remedy)
            self._loaded = load_classifier(self.model, device=self.device)
        return self._loaded

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the classifier, so that the pipeline needs no other folder."""
        from relgen.classifiers import local_folder

        folder = Path(path) / _FOLDER
        if self.model is not None and local_folder(self.model).resolve() != folder.resolve():
            shutil.copytree(local_folder(self.model), folder, dirs_exist_ok=True)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "RelationComponent":
        """Take the classifier that `to_disk` wrote."""
        self.model, self._loaded = str(Path(path) / _FOLDER), None
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Raise InputError: a classifier is a folder, which bytes would lose."""
        remedy = 'use nlp.to_disk(FOLDER), or leave it out: nlp.to_bytes(exclude=["relgen"])'
        raise InputError("a classifier cannot be written into bytes", remedy=remedy)

    def _samples(self, doc: Doc) -> Iterator[tuple[Span, Span, Sample]]:
        """Yield head, tail and sample of each pair that the schema's types allow."""
        schema = self.classifier.schema
        for sentence in doc.sents if doc.has_annotation("SENT_START") else [doc[:]]:
            for head, tail in permutations(sentence.ents, 2):
                first, second = (self._entity(span, sentence) for span in (head, tail))
                if schema.allows_relation(first.type, second.type):
                    yield head, tail, Sample("", sentence.text, first, second, UNLABELLED)

    def _entity(self, span: Span, sentence: Span) -> Entity:
        kind = self.types.get(span.label_, span.label_) or None
        known = self.classifier.schema.types
        if kind and known and kind not in known and kind not in self._unknown:
            self._unknown.add(kind)
            _LOG.warning("the schema does not name entities' type %s; rename it with `types`", kind)
        return Entity(span.start_char, span.end_char, kind).counted_from(sentence.start_char)


@Language.factory(
    "relgen",
    requires=["doc.ents"],
    assigns=["doc._.relations"],
    default_config={"model": None, "threshold": None, "types": {}, "device": "cpu"},
)
def make_component(
    nlp: Language,
    name: str,
    model: str | None,
    threshold: float | None,
    types: dict[str, str],
    device: str,
) -> RelationComponent:
    """Make the component from a pipeline's configuration."""
    return RelationComponent(model, threshold, types, device)


def export_spacy(
    folder: str | Path,
    out: str | Path,
    *,
    pipeline: str | None = None,
    language: str = "en",
    types: dict[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """Write a spaCy pipeline that ends with the classifier; return its components' names.

    Args:
        folder: the classifier.
        pipeline: a pipeline that finds entities, by name or folder; by default an empty one, to
            which the user adds such a component.
        language: of the empty pipeline.
        types: the schema's name of entity types that the pipeline calls otherwise.
        force: replace an earlier export at `out`.

    Raises:
        InputError: no such classifier or pipeline, or `out` exists.
    """
    check_export(out, force=force)
    try:
        nlp = spacy.blank(language) if pipeline is None else spacy.load(pipeline)
    except (OSError, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        field, value = ("--language", language) if pipeline is None else ("--pipeline", pipeline)
        remedy = "install it, or give the folder of a pipeline"
        raise InputError(reason, field=field, value=value, remedy=remedy) from error
    if not {"parser", "senter", "sentencizer"} & set(nlp.pipe_names):
        nlp.add_pipe("sentencizer", first=True)
    component: Any = nlp.add_pipe("relgen", config={"types": types or {}})
    component.model = str(folder)
    _ = component.classifier  # an error before anything is written
    with atomic_folder(out, EXPORT_FILE) as temporary:
        nlp.to_disk(temporary)
        write_json(temporary / EXPORT_FILE, {"classifier": str(folder), "pipeline": pipeline})
    return list(nlp.pipe_names)
