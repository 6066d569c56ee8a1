"""Generates samples from input files to output files, as `relgen generate` does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from relgen import __version__
from relgen.common import LISTENER, InputError, content_hash, locked, read_json, report, text_hash
from relgen.data import (
    Relation,
    RelationSchema,
    Sample,
    foreign_language,
    load_schema,
    read_samples,
    render,
)
from relgen.generation.acceptance import CHECKS, KnownTexts
from relgen.generation.files.journal import Journal
from relgen.generation.files.outputs import OutputPaths, merge, summarise_generation
from relgen.generation.files.shards import RelationShard
from relgen.generation.grammar.spec import GrammarSpec
from relgen.generation.limits import exceeded_limits
from relgen.generation.loop import GenerationLoop, RoundResult
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import RelationState, initial_states
from relgen.models import unknown_language
from relgen.prompting import FieldPromptWriter, PromptWriter

_QUIET_SECONDS = 3.0
_Inputs = tuple[RelationSchema, list[Sample], list[Sample]]
"""The schema, the labelled samples, and those that must not be repeated."""


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """The result of `generate`: the content of `generation.json`, and the path of the samples.

    `already_finished` is True if the output was complete before the call.
    """

    summary: dict[str, Any]
    already_finished: bool
    output: Path


def generate(
    settings: GenerationSettings,
    *,
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    forbid: str | Path | None = None,
    force: bool = False,
) -> GenerationReport:
    """Write accepted samples to `out`, and `rejected.jsonl` and `generation.json` beside it.

    An interrupted run can be repeated with the same settings and inputs: it resumes, and writes the
    same files as an uninterrupted one.

    Args:
        train: labelled samples, used as demonstrations.
        schema: path or shipped name.
        out: path of the accepted samples.
        forbid: samples that must not be repeated, such as the test set.
        force: replace output that was written with other settings or inputs.

    Raises:
        InputError: an input is invalid, or `out` holds another generation.
    """
    inputs = _read(schema, train, forbid)
    relations = chosen_relations(settings, *inputs[:2])
    shard = None if settings.shard is None else RelationShard.parse(settings.shard)
    paths = OutputPaths(Path(out) if shard is None else shard.path(Path(out)))
    paths.check([train, schema, forbid, settings.adapter])
    header = input_hash(settings, *inputs)
    states = initial_states(relations, inputs[1], settings)
    with ExitStack() as stack:
        stack.enter_context(locked(paths.generated.parent))
        if paths.finished(header, force=force):
            paths.journal.unlink(missing_ok=True)
            summary = read_json(paths.summary)
            return GenerationReport(summary, already_finished=True, output=paths.generated)
        journal = Journal(paths.journal, header, force=force)
        loop = stack.enter_context(closing(_loop(settings, inputs, states, journal)))
        progress = stack.enter_context(closing(_Progress(states)))
        for result in loop.run():
            progress.update(result)
        summary = summarise_generation(states, journal.seconds)
        if settings.server is not None:
            summary["usage"] = settings.server.account(journal.usage)
        summary["hash"] = header
        # what a shortage of samples is explained with
        limits = exceeded_limits(settings, inputs[1])
        summary |= {"model": settings.model, "token_budget": settings.token_budget}
        summary |= {"limits": limits}
        summary = paths.write(loop.accepted, loop.rejected, summary)
        paths.journal.unlink()
    return GenerationReport(summary, already_finished=False, output=paths.generated)


def merge_shards(
    settings: GenerationSettings,
    number: int,
    *,
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    forbid: str | Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Merge the outputs that `generate` wrote with `shard` 1/n to n/n; see `merge`."""
    inputs = _read(schema, train, forbid)
    with locked(Path(out).parent):
        return merge(settings, lambda own: input_hash(own, *inputs), Path(out), number, force=force)


def _read(schema: str | Path, train: str | Path, forbid: str | Path | None) -> _Inputs:
    loaded = load_schema(schema)
    forbidden = [] if forbid is None else read_samples(forbid)
    return loaded, read_samples(train, schema=loaded), forbidden


def _loop(
    settings: GenerationSettings, inputs: _Inputs, states: Sequence[RelationState], journal: Journal
) -> GenerationLoop:
    # not before: they import torch, and what was given is checked by now
    from relgen.generation.backends.loading import find_engine
    from relgen.generation.chain_memory import fit_chains

    schema, train, forbidden = inputs
    engine = find_engine(settings, journal)
    found = {e.type for sample in train for e in (sample.head, sample.tail) if e.type}
    types, language = tuple(sorted(found.union(schema.types))), foreign_language(train)
    if language is not None and settings.grammar and settings.one_sentence:
        _check_sentences(train)
    if engine.tokenizer is not None and (
        advice := unknown_language(engine.tokenizer, train, model=settings.model)
    ):
        print(f"warning: {advice}", file=sys.stderr)
    writer = (
        FieldPromptWriter(engine.format, types, language)
        if settings.markup == "fields"
        else PromptWriter(engine.format, settings.diverse, settings.types, language)
    )
    batch, open_backend = fit_chains(settings, states, writer, engine, journal)
    return GenerationLoop(
        replace(settings, batch=batch),
        states,
        writer,
        CHECKS,
        KnownTexts(settings, train, forbidden),
        {"model": settings.model, "adapter": settings.adapter, "relgen_version": __version__},
        journal,
        open_backend,
        types,
        tuple(dict.fromkeys(name for r in schema for name in (r.name, r.shown))),
    )


def _check_sentences(train: Sequence[Sample]) -> None:
    """Raise InputError if no labelled sample has the form of `one_sentence`, of any length."""
    form = GrammarSpec(one_sentence=True, max_context_words=None, max_entity_words=None)
    if not any(form.matches(render(sample)) for sample in train):
        raise InputError(
            "no labelled sample is a sentence of words between spaces that ends with . ! or ?, and "
            "so no draft could be one of its language",
            field="one_sentence",
            value=True,
            remedy="set it to false (--no-one-sentence): then any text is allowed",
        )


def chosen_relations(
    settings: GenerationSettings, schema: RelationSchema, train: Sequence[Sample]
) -> list[Relation]:
    """Return the relations to generate for, in the schema's order.

    Raises InputError for one that is unknown, in the other half, or without a labelled sample.
    """
    labels = list(schema.labels)
    if settings.half is not None:
        seed = settings.seed if settings.half_seed is None else settings.half_seed
        labels = list(schema.halves(seed)[settings.half])
    labelled = {sample.relation for sample in train}
    for name in settings.relations or ():
        try:
            schema.check_label(name)
        except InputError as error:
            raise error.at(field="relations") from None
        if name not in labels or name not in labelled:
            problem = "has no labelled sample" if name in labels else "belongs to the other half"
            raise InputError(
                f"this relation {problem}", field="relations", value=name, remedy="remove it"
            )
    wanted = [x for x in labels if settings.relations is None or x in settings.relations]
    if not labelled.intersection(wanted):
        raise InputError(
            "none of these relations has a labelled sample, and a prompt needs one",
            field="train",
            value=wanted,
            remedy="give at least one labelled sample per relation",
        )
    chosen = [schema[label] for label in wanted]
    return chosen if settings.shard is None else RelationShard.parse(settings.shard).part(chosen)


def input_hash(
    settings: GenerationSettings,
    schema: RelationSchema,
    train: Sequence[Sample],
    forbidden: Sequence[Sample],
) -> str:
    """Return a hash of everything that determines a generation's drafts.

    Model weights count by file name and size: hashing them would take longer than some runs.
    """
    weights = []
    if settings.server is None:
        from relgen.models import resolve_model

        folder = Path(resolve_model(settings.model))
        weights = sorted((p.name, p.stat().st_size) for p in folder.glob("*") if p.is_file())
    adapter = settings.adapter
    parts = [
        __version__,
        settings.identity(),
        schema.to_dict(),
        [sample.to_json() for sample in train],
        [sample.to_json() for sample in forbidden],
        weights,
        content_hash(adapter) if adapter and Path(adapter).is_dir() else None,
    ]
    return text_hash(json.dumps(parts, sort_keys=True, ensure_ascii=False))


class _Progress:
    """Shows samples, drafts, tokens per second and the remaining time, after a few seconds."""

    def __init__(self, states: Sequence[RelationState]) -> None:
        self._states = states
        self._begun = time.monotonic()
        self._tokens = 0
        self._seconds = 0.0
        self._bar = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} samples"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=True,
        )
        wanted = sum(state.wanted for state in states)
        self._task = self._bar.add_task("", total=wanted, note="")

    def update(self, result: RoundResult) -> None:
        if result.seconds:  # not read from the journal
            self._tokens += result.tokens
            self._seconds += result.seconds
        if LISTENER.get() is None and time.monotonic() - self._begun > _QUIET_SECONDS:
            self._bar.start()
        drafts = sum(state.drafts for state in self._states)
        speed = f", {self._tokens / self._seconds:.0f} tokens/s" if self._seconds else ""
        accepted = sum(state.accepted for state in self._states)
        self._bar.update(self._task, completed=accepted, note=f"{drafts} drafts{speed}")
        report(accepted, self._bar.tasks[0].total or 0, "samples")

    def close(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
