"""Predicts relations for chunks of samples and raw texts, as rows to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from relgen.classifiers import load_classifier
from relgen.common import InputError, chunked
from relgen.data import Entity, Prediction, RelationSchema, Sample
from relgen.models import find_device
from relgen.prediction.pairs import Fact, RawText, candidate_pairs, in_one_direction
from relgen.prediction.settings import PredictOptions
from relgen.prediction.sources import open_sources

if TYPE_CHECKING:
    import pyarrow

CHUNK = 512
ENTITIES, PAIRS, REVERSED = "entities", "pairs", "reversed"
RELATION, UNKNOWN = "relation ", "type "
"""What is counted; relations and types follow the last two."""


class Predictor:
    """Predicts for chunks of samples, and of documents with the options' `entities`.

    Computes `at_once` pairs together. Raises InputError for a chunk whose documents have more than
    `most_pairs` pairs of entities.
    """

    def __init__(
        self, options: PredictOptions, *, most_pairs: int | None = None, at_once: int = CHUNK
    ) -> None:
        self.options = options
        self.most_pairs = most_pairs
        self.at_once = at_once
        device = str(find_device(options.device))
        self.classifier = load_classifier(options.model, device=device, precision=options.precision)
        self.types = self.classifier.schema.types
        self.threshold = self._threshold()
        if options.coverage:
            self.classifier.least_in_set(options.coverage)
        self.find = open_sources(options.entities, self.types, options.types)

    def __call__(self, chunk: Sequence[Any]) -> tuple[list[dict[str, Any]], Counter[str]]:
        """Return the rows to write, and counts of pairs, relations and unknown types."""
        counts = Counter[str]()
        found = self._pairs(chunk, counts)
        rows = []
        for part in chunked(found, self.at_once):
            predictions = self.classifier.predict_samples([sample for sample, _ in part])
            rows += [
                self._row(sample, place, prediction, self._answer(prediction))
                for (sample, place), prediction in zip(part, predictions, strict=True)
            ]
        counts[PAIRS] = len(rows)
        negative = self.classifier.schema.negative
        if self.options.entities and not self.options.all_pairs:
            rows = each_fact_once(rows, self.classifier.schema)
            counts[REVERSED] = counts[PAIRS] - len(rows)
        counts.update(f"{RELATION}{row['relation'] or ''}" for row in rows)
        if self.options.entities and not self.options.all_pairs:
            rows = [
                row
                for row in rows
                if "document" not in row or row["relation"] is None or row["relation"] != negative
            ]
        return rows, counts

    def columns(self) -> pyarrow.Schema:
        """Return the columns of the rows in Parquet."""
        import pyarrow as pa

        text, number = pa.string(), pa.int64()
        entity = pa.struct({"text": text, "start": number, "end": number, "type": text})
        place = {"document": text, "offset": number} if self.options.entities else {}
        columns = {"id": text, **place, "text": text, "head": entity, "tail": entity}
        columns |= {"relation": text, "probability": pa.float64()}
        if self.options.coverage:
            columns["set"] = pa.list_(text)
        if self.options.scores:
            labels = self.classifier.schema.labels
            columns["scores"] = pa.struct({label: pa.float64() for label in labels})
        return pa.schema(columns)

    def _threshold(self) -> float | None:
        """Return the least probability; None for the saved ones, 0 for none."""
        options = self.options
        if options.threshold is None and not options.abstain:
            return 0.0
        if options.threshold is None or options.threshold == "saved":
            if self.classifier.calibration is None:
                raise InputError(
                    "this classifier has no thresholds, since it was not calibrated",
                    path=options.model,
                    field="--threshold",
                    value=options.threshold,
                    remedy="give a number, or train it with --data.validation FILE or "
                    "--model.calibration_folds 4",
                )
            return None
        return float(options.threshold)

    def _answer(self, prediction: Prediction) -> str | None:
        return self.classifier.answer(
            prediction, threshold=self.threshold, abstain=self.options.abstain
        )

    def _pairs(
        self, chunk: Sequence[Sample | RawText], counts: Counter[str]
    ) -> list[tuple[Sample, dict[str, Any]]]:
        """Return samples, and pairs of documents' entities with the documents' names and places."""
        found: list[tuple[Sample, dict[str, Any]]] = []
        pairs = 0
        schema, window = self.classifier.schema, self.options.window
        entities_of = iter(self.find([one.text for one in chunk if isinstance(one, RawText)]))
        for one in chunk:
            if isinstance(one, Sample):
                found.append((one, {}))
                continue
            entities = next(entities_of)
            counts[ENTITIES] += len(entities)
            if self.types:
                unknown = (e.type for e in entities if e.type and e.type not in self.types)
                counts.update(f"{UNKNOWN}{kind}" for kind in unknown)
            for sample, at in candidate_pairs(one, entities, schema, window=window):
                found.append((sample, {"document": one.id, "offset": at}))
                pairs += 1
                if self.most_pairs is not None and pairs > self.most_pairs:
                    problem = f"the texts have more than {self.most_pairs} pairs of entities"
                    raise InputError(problem, remedy="give fewer or shorter texts at a time")
        return found

    def _row(
        self, sample: Sample, place: dict[str, Any], prediction: Prediction, answer: str | None
    ) -> dict[str, Any]:
        row = {
            "id": sample.id,
            **place,
            "text": sample.text,
            "head": _entity(sample.head, sample.head_text),
            "tail": _entity(sample.tail, sample.tail_text),
            "relation": answer,
            "probability": prediction.scores[answer or prediction.relation],
        }
        if self.options.coverage:
            row["set"] = self.classifier.relations_set(prediction, self.options.coverage)
        return row | ({"scores": prediction.scores} if self.options.scores else {})


def each_fact_once(rows: Sequence[dict[str, Any]], schema: RelationSchema) -> list[dict[str, Any]]:
    """Return rows without those of raw text that the opposite direction makes needless."""
    facts = [
        Fact(
            row.get("document"),
            row.get("offset", 0) + row["head"]["start"],
            row.get("offset", 0) + row["tail"]["start"],
            row["relation"] if "document" in row else None,
            row["probability"],
        )
        for row in rows
    ]
    return [rows[number] for number in in_one_direction(facts, schema)]


def _entity(entity: Entity, text: str) -> dict[str, Any]:
    return {"text": text, "start": entity.start, "end": entity.end, "type": entity.type}
