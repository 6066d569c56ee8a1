"""The language model as the classifier: what it reads in a sentence, by a probe on its states.

A saved reader is a folder like that of other classifiers, with the probe's weights: `config.json`
names the language model, which has to be there when the reader is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from relgen import __version__
from relgen.classifiers.hub import CARD, CONFIG, SCHEMA, TOKENIZER, WEIGHTS
from relgen.classifiers.pipeline import SavedClassifier
from relgen.classifiers.saved import FORMAT, READER, labels_of, model_card, weights_hash
from relgen.common import (
    InputError,
    atomic_folder,
    check_outputs,
    content_hash,
    earlier_summary,
    inputs_hash,
    read,
    read_jsonl,
    read_record,
    refuse_foreign,
    stream_files,
    stream_rows,
    unfinished,
    upcast,
    write_json,
    write_summary,
    write_text,
)
from relgen.data import Prediction, RelationSchema, Sample, load_schema, read_samples
from relgen.evaluation import refuse_leaks, score_labels
from relgen.labelling import Probe, ReaderOptions, ReaderSettings, StateReader, fit, read_labelled
from relgen.models import find_device, unknown_language

_COMMAND = "reader"
_CHUNK = 128


class SavedReader(SavedClassifier):
    """A language model with a probe fitted to labelled samples, ready to predict."""

    def __init__(self, schema: RelationSchema, states: StateReader, probe: Probe) -> None:
        self.schema, self.states, self.probe = schema, states, probe

    def predict_samples(
        self, samples: Sequence[Sample], *, token_budget: int = 2048
    ) -> list[Prediction]:
        """Predict the relations of samples, in order; their own relations are ignored.

        Batches have a size of their own, whatever the `token_budget`. Raises InputError if a
        sentence is too long for the language model.
        """
        self.states.check_lengths(samples)
        return self.predictions(samples, self.probe.probabilities(self.states.read(samples)).log())


def load_reader(folder: Path, arguments: dict[str, Any], *, device: str) -> SavedReader:
    """Load a reader that `classify_by_reading` saved, and its language model."""
    settings = read(ReaderSettings, {**arguments, "device": device})
    try:
        probe = Probe(**load_file(folder / WEIGHTS))
    except (TypeError, SafetensorError) as error:
        remedy = "the folder is damaged: copy it again, or run `relgen reader` again"
        raise InputError("cannot be read", path=folder / WEIGHTS, remedy=remedy) from error
    states = StateReader(settings.model, settings.dtype, find_device(settings.device))
    if len(probe.mean) != states.features:
        raise InputError(
            "this language model is not the one that the reader was fitted to",
            path=folder / CONFIG,
            field="arguments.model",
            value=settings.model,
            remedy="put that model there, or run `relgen reader` again",
        )
    return SavedReader(load_schema(folder / SCHEMA), states, probe)


def save_reader(
    reader: SavedReader,
    settings: ReaderSettings,
    folder: Path,
    *,
    data: dict[str, Any],
    scores: dict[str, Any],
) -> None:
    """Save a reader with its model card, which shows `data`: the labelled samples' file."""
    weights = {name: part.contiguous() for name, part in reader.probe._asdict().items()}
    arguments = asdict(settings)
    del arguments["device"]
    config = {
        "format": FORMAT,
        "relgen_version": __version__,
        "kind": READER,
        "weights": weights_hash(weights),
        "schema": labels_of(reader.schema),
        "arguments": arguments,
        "data": data,
        "training": None,
        "calibration": None,
        "scores": scores,
    }
    with atomic_folder(folder, CONFIG) as temporary:
        save_file(weights, temporary / WEIGHTS)
        write_json(temporary / CONFIG, config)
        reader.schema.save(temporary / SCHEMA)
        reader.states.tokenizer.save_pretrained(temporary / TOKENIZER)
        write_text(temporary / CARD, model_card(config, reader.schema))


def classify_by_reading(options: ReaderOptions) -> dict[str, Any]:
    """Write `predictions.jsonl`, `scores.json`, `reader.json` and the classifier to a folder.

    Called again with the same settings and inputs, a killed run resumes and a finished one is kept.

    Returns:
        The summary: the settings, `samples`, `micro_f1` and `train_micro_f1`, the cross-validated
        score on the labelled samples.

    Raises InputError if an input cannot be used, or labelled sentences are test sentences as well.
    """
    settings, out = upcast(ReaderSettings, options), Path(options.out)
    schema = load_schema(options.schema)
    header = inputs_hash(settings, [options.train, options.test], schema.to_dict())
    summary_path = out / "reader.json"
    written, model = [out / "predictions.jsonl", out / "scores.json"], out / "model"
    stream, inputs = stream_files(written[0]), [options.train, options.test, options.schema]
    check_outputs([*written, summary_path, *stream], inputs, replaced=[model])
    again: dict[str, Any] = {"force": options.force, "stream": written[0]}
    if found := earlier_summary(summary_path, _COMMAND, written, header, **again):
        return found
    if read_record(model / CONFIG).get("kind") != READER:
        refuse_foreign([model], _COMMAND)
    labelled, test = read_labelled(options.train, schema), read_samples(options.test, schema=schema)
    refuse_leaks(labelled, test, options.train)
    states = StateReader(settings.model, settings.dtype, find_device(settings.device))
    states.check_lengths([*labelled, *test])
    if advice := unknown_language(states.tokenizer, labelled, model=settings.model):
        print(f"warning: {advice}", file=sys.stderr)
    probe, train_f1 = fit(states.read(labelled), labelled, schema, settings.penalty)
    reader = SavedReader(schema, states, probe)

    def predict(samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        # whatever their types, as the other classifiers are scored
        rows = zip(samples, probe.probabilities(states.read(samples)).tolist(), strict=True)
        return [asdict(Prediction.from_probabilities(s.id, schema.labels, p)) for s, p in rows], {}

    bar: dict[str, Any] = {"title": "Reading", "total": len(test)}
    stream_rows(predict, test, written[0], header, size=_CHUNK, **bar)
    gold = [sample.relation for sample in test]
    predicted = [row["relation"] for row in read_jsonl(written[0])]
    scores = asdict(score_labels(predicted, gold, schema))
    file = {"file": options.train, "sha256": content_hash(options.train), "samples": len(labelled)}
    data = {"files": {"human": file}, "truncated": {}}
    with unfinished(out, _COMMAND, [written[1].name, summary_path.name]):
        write_json(written[1], scores)
        save_reader(reader, settings, model, data=data, scores=scores)
        summary = {
            "command": _COMMAND,
            "hash": header,
            **asdict(settings),
            "samples": len(test),
            "micro_f1": scores["micro_f1"],
            "train_micro_f1": train_f1,
            "relgen_version": __version__,
        }
        summary = write_summary(summary_path, summary, written)
    stream[1].unlink()
    return summary
