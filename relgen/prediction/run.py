"""Predicts relations in a file, chunk by chunk, so that files of any size fit into memory."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.classifiers import classifier_files, load_classifier
from relgen.common import (
    InputError,
    check_outputs,
    chunked,
    earlier_summary,
    encode_json,
    inputs_hash,
    stream_files,
    stream_rows,
    write_json,
)
from relgen.data import Entity, Prediction, RecordChecks, RelationSchema, Sample
from relgen.models import find_device
from relgen.prediction.inputs import input_checks, read_raw_texts, read_samples_to_predict
from relgen.prediction.pairs import Fact, RawText, candidate_pairs, in_one_direction
from relgen.prediction.settings import PredictOptions
from relgen.prediction.sources import open_sources, source_files

_COMMAND = "predict"
_CHUNK = 512
_PAIRS, _REVERSED, _RELATION, _UNKNOWN = "pairs", "reversed", "relation ", "type "


def predict(options: PredictOptions) -> dict[str, Any]:
    """Predict relations; write them to `options.out` and its summary beside it, or print them.

    The summary has the suffix `.json`. Called again, this resumes, or returns the finished summary.

    Returns:
        The summary: the options, the numbers of malformed records (`skipped`), of pairs, of those
        left out since their relation holds in the other direction (`reversed`), of predictions by
        relation (under `""` those without an answer), and of entities by type, of types that the
        schema does not name.

    Raises:
        InputError: the classifier or the input cannot be used.
    """
    if options.out is None:
        return _printed(options)
    out = Path(options.out)
    path, unfinished = out.with_suffix(".json"), stream_files(out)
    if not Path(options.input).is_file() and Path(options.input).exists():
        remedy = "give a file, or leave --out out: the predictions are printed then"
        raise InputError("with --out, only a file is read", path=options.input, remedy=remedy)
    model = classifier_files(options.model)
    inputs = [options.input, *source_files(options.entities)]
    check_outputs([out, path, *unfinished], [*inputs, *model])
    header = inputs_hash(options, [*inputs, *model], {})
    found = earlier_summary(path, _COMMAND, [out, path], unfinished[1])
    if found.get("hash") == header and out.is_file():
        return found
    work, checks = Predictor(options), input_checks(options.input, skip_bad=options.skip_bad)
    chunks = math.ceil(sum(1 for _ in _items(options, checks)) / _CHUNK)
    again = input_checks(options.input, skip_bad=options.skip_bad)
    items, shown = _items(options, again), partial(_progress, total=chunks)
    counts = stream_rows(work, items, out, header, size=_CHUNK, shown=shown)
    own = {"command": _COMMAND, "hash": header, **asdict(options)}
    summary = own | _summary(counts, checks.skipped)
    write_json(path, summary)
    unfinished[1].unlink()
    return summary


def _printed(options: PredictOptions) -> dict[str, Any]:
    """Print each chunk's predictions as soon as they are there."""
    work, counts = Predictor(options), Counter[str]()
    checks = input_checks(options.input, skip_bad=options.skip_bad)
    for chunk in chunked(_items(options, checks), _CHUNK):
        rows, more = work(chunk)
        sys.stdout.write("".join(encode_json(row) + "\n" for row in rows))
        sys.stdout.flush()
        counts.update(more)
    return _summary(counts, checks.skipped)


class Predictor:
    """Predicts for chunks of samples, and of documents with the options' `entities`.

    Computes `at_once` pairs together. Raises InputError for a chunk whose documents have more than
    `most_pairs` pairs of entities.
    """

    def __init__(
        self, options: PredictOptions, *, most_pairs: int | None = None, at_once: int = _CHUNK
    ) -> None:
        self.options = options
        self.most_pairs = most_pairs
        self.at_once = at_once
        device = str(find_device(options.device))
        self.classifier = load_classifier(options.model, device=device, precision=options.precision)
        schema = self.classifier.schema
        self.types = sorted({t for r in schema for t in (*r.head_types, *r.tail_types)})
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
        counts[_PAIRS] = len(rows)
        negative = self.classifier.schema.negative
        if self.options.entities and not self.options.all_pairs:
            rows = each_fact_once(rows, self.classifier.schema)
            counts[_REVERSED] = counts[_PAIRS] - len(rows)
        counts.update(f"{_RELATION}{row['relation'] or ''}" for row in rows)
        if self.options.entities and not self.options.all_pairs:
            rows = [
                row
                for row in rows
                if "document" not in row or row["relation"] is None or row["relation"] != negative
            ]
        return rows, counts

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
            if self.types:
                unknown = (e.type for e in entities if e.type and e.type not in self.types)
                counts.update(f"{_UNKNOWN}{kind}" for kind in unknown)
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


def _items(options: PredictOptions, checks: RecordChecks) -> Iterator[Any]:
    if options.entities:
        return read_raw_texts(checks)
    return read_samples_to_predict(checks, columns=options.columns)


def _progress(chunks: Iterable[Any], total: int) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = total < 2
    return track(chunks, "Predicting", total, console=console, transient=True, disable=hidden)


def _summary(counts: Counter[str], skipped: int) -> dict[str, Any]:
    def named(prefix: str) -> dict[str, int]:
        return {k.removeprefix(prefix): n for k, n in counts.items() if k.startswith(prefix)}

    return {
        "skipped": skipped,
        "pairs": counts[_PAIRS],
        "reversed": counts[_REVERSED],
        "relations": named(_RELATION),
        "unknown_types": named(_UNKNOWN),
        "relgen_version": __version__,
    }
