"""Classifies a file of samples by asking a language model; a killed run can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import (
    InputError,
    check_outputs,
    chunked,
    counted,
    earlier_summary,
    inputs_hash,
    read_jsonl,
    statement,
    stream_files,
    stream_rows,
    unfinished,
    upcast,
    write_json,
    write_summary,
)
from relgen.data import (
    RelationSchema,
    Sample,
    Sentences,
    load_schema,
    read_samples,
    repeated_rows,
)
from relgen.evaluation.direct.answers import find_label, greedy_answer, mean_log_likelihoods
from relgen.evaluation.direct.prompt import BATCH, DirectPrompt, draw_demonstrations
from relgen.evaluation.scores import score_labels
from relgen.evaluation.settings import DirectOptions, DirectSettings
from relgen.generation import DraftRequest, GenerationSettings, find_engine
from relgen.models import find_device
from relgen.prompting import Prompt

_CHUNK = 128
_FREE_TOKENS = 32

# the named label (None where none was named), the labels' probabilities, and a free answer's text
Row = tuple[str | None, list[float], str | None]
Asker = Callable[[Sequence[Sample]], list[Row]]


def classify(options: DirectOptions) -> dict[str, Any]:
    """Write `predictions.jsonl`, `scores.json` and `direct.json` (a summary) to the folder `out`.

    Called again with the same settings and inputs, a killed run resumes and a finished one is kept.
    The training samples are not read when none is shown.

    Returns:
        The summary: the settings, `samples`, `unparseable` answers, `micro_f1`, `seconds`.

    Raises InputError if an input cannot be used, or labelled sentences are test sentences as well.
    """
    settings = upcast(DirectSettings, options)
    out, relations = Path(options.out), load_schema(options.schema)
    if out.is_file():
        raise InputError("this is a file, not a folder", path=out, remedy="give --out a folder")
    header = inputs_hash(settings, [options.train, options.test], relations.to_dict())
    written, path = [out / "predictions.jsonl", out / "scores.json"], out / "direct.json"
    stream = stream_files(written[0])
    check_outputs([*written, path, *stream], [options.train, options.test, options.schema])
    again: dict[str, Any] = {"force": options.force, "stream": written[0]}
    if finished := earlier_summary(path, "direct", written, header, **again):
        return finished
    samples = read_samples(options.test, schema=relations)
    shown = _demonstrations(settings, options.train, samples, relations)
    began = time.monotonic()
    ask = (_free if settings.answer == "free" else _among_labels)(settings, relations, shown)

    def in_batches(chunk: Sequence[Sample]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        # sentences of similar length share a batch
        order = sorted(range(len(chunk)), key=lambda i: len(chunk[i].text))
        rows: dict[int, Row] = {}
        for batch in chunked(order, BATCH):
            rows |= zip(batch, ask([chunk[i] for i in batch]), strict=True)
        return [_line(sample, rows[i], relations) for i, sample in enumerate(chunk)], {}

    bar: dict[str, Any] = {"title": "Asking", "total": len(samples)}
    stream_rows(in_batches, samples, written[0], header, size=_CHUNK, **bar)
    named = [row["relation"] for row in read_jsonl(written[0])]
    scores = score_labels(named, [sample.relation for sample in samples], relations)
    summary = {
        "command": "direct",
        "hash": header,
        **asdict(settings),
        "samples": len(samples),
        "unparseable": named.count(None),
        "micro_f1": scores.micro_f1,
        "seconds": round(time.monotonic() - began, 2),
        "relgen_version": __version__,
    }
    with unfinished(out, "direct", [written[1].name, path.name]):
        write_json(written[1], asdict(scores))
        summary = write_summary(path, summary, written)
    stream[1].unlink()
    return summary


def _demonstrations(
    settings: DirectSettings, train: str | Path, test: Sequence[Sample], schema: RelationSchema
) -> tuple[Sample, ...]:
    """Draw the labelled samples to show; refuse a training set that shares sentences with test."""
    labelled = read_samples(train, schema=schema) if settings.shots else []
    if len(labelled) < settings.shots:
        problem = f"only {counted(len(labelled), 'labelled sample')} to show"
        remedy = "lower --shots, or give more samples"
        raise InputError(problem, path=train, field="shots", value=settings.shots, remedy=remedy)
    refuse_leaks(labelled, test, train)
    return draw_demonstrations(labelled, settings.shots, seed=settings.seed)


def refuse_leaks(labelled: Sequence[Sample], test: Sequence[Sample], path: str | Path) -> None:
    """Raise InputError if labelled samples of a file are test sentences as well."""
    leaks = repeated_rows(map(Sentences.of_sample, labelled), map(Sentences.of_sample, test))
    if leaks:
        raise InputError(
            f"{statement(len(leaks), 'labelled sentence', 'are')} in the test set as well "
            f"(ignoring case and punctuation); first: id '{labelled[leaks[0]].id}'",
            path=path,
            remedy="split again: relgen data split --exclude TEST",
        )


def _among_labels(
    settings: DirectSettings, schema: RelationSchema, shown: Sequence[Sample]
) -> Asker:
    from relgen.evaluation.direct.reader import DirectReader

    device = find_device(settings.device)
    reader = DirectReader(settings.model, schema, shown, dtype=settings.dtype, device=device)

    def ask(samples: Sequence[Sample]) -> list[Row]:
        logs = reader.log_probabilities(samples)  # (B, N)
        if settings.answer == "constrained":
            found = [greedy_answer(reader.trie, row) for row in logs]
        else:
            chances = mean_log_likelihoods(reader.trie, logs).softmax(-1)  # (B, R)
            found = list(zip(chances.argmax(-1).tolist(), chances.tolist(), strict=True))
        return [
            (schema.labels[answer], [round(p, 6) for p in probabilities], None)
            for answer, probabilities in found
        ]

    return ask


def _free(settings: DirectSettings, schema: RelationSchema, shown: Sequence[Sample]) -> Asker:
    greedy = GenerationSettings(
        model=settings.model,
        dtype=settings.dtype,
        device=settings.device,
        temperature=0.0,
        repetition_penalty=1.0,
        max_new_tokens=_FREE_TOKENS,
    )
    engine = find_engine(greedy, None)
    prompt = DirectPrompt(engine.format, schema, tuple(shown))
    backend = engine.open()

    def ask(samples: Sequence[Sample]) -> list[Row]:
        backend.reset()
        questions = [
            Prompt(prompt.prefix, (prompt.question(s),), prompt.cue, engine.format.terminator)
            for s in samples
        ]
        try:
            backend.prefill(dict(enumerate(questions)))
        except InputError as error:  # its remedy is meant for `relgen generate`
            raise error.at(remedy="show fewer labelled samples (--shots)") from error
        requests = [
            DraftRequest(number, "", _FREE_TOKENS, one_line=True, grammar=None)
            for number in range(len(questions))
        ]
        texts = [draft.text for draft in backend.decode(requests)]
        named = [find_label(text, schema) for text in texts]
        chances = [[float(label == each) for each in schema.labels] for label in named]
        return list(zip(named, chances, texts, strict=True))

    return ask


def _line(sample: Sample, row: Sequence[Any], schema: RelationSchema) -> dict[str, Any]:
    label, probabilities, text = row
    scores = dict(zip(schema.labels, probabilities, strict=True))
    line = {"id": sample.id, "relation": label, "score": scores.get(label or "", 0.0)}
    return line | {"scores": scores} | ({} if text is None else {"answer": text})
