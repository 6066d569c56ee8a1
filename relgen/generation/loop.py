"""Runs a generation in rounds: each unfinished chain drafts a sample, then all drafts are judged.

The outcome depends only on the inputs and the drafts. A resumed run takes its drafts from the
journal and repeats the calls of `Backend.prefill` in the same order and with the same shapes, so
that the cache is bit for bit the same as in the interrupted run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from relgen.data import Relation, Sample, has_unspaced, jaccard, word_set
from relgen.generation.acceptance import Check, DraftContext, KnownTexts, judge, read_draft
from relgen.generation.backends.base import Backend, Draft, DraftRequest, Finish
from relgen.generation.draft_text import written_lines
from relgen.generation.files.journal import Journal
from relgen.generation.grammar.spec import FieldsSpec, GrammarSpec
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import ChainState, RelationState, waves
from relgen.prompting import FieldPromptWriter, Prompt, PromptWriter, read_fields


class RoundResult(NamedTuple):
    """The tokens of a round, and its decoding time; 0 if all drafts came from the journal."""

    tokens: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Turn:
    state: RelationState
    chain: ChainState
    shown: list[Sample]
    prompt: Prompt
    requests: list[DraftRequest]


@dataclass(slots=True)
class GenerationLoop:
    """Runs all chains until every relation has its samples or its limits are reached.

    It updates `states` and `pool`, and fills `accepted`, and `rejected` with rows for
    `rejected.jsonl`. `open_backend` loads the model, and is called only if the
    journal lacks a draft. `provenance` is common to all samples. `free_types` are the entity types
    for roles that the schema leaves open, and `labels` the names and titles of all its relations.
    """

    settings: GenerationSettings
    states: Sequence[RelationState]
    writer: PromptWriter | FieldPromptWriter
    checks: Sequence[Check]
    pool: KnownTexts
    provenance: Mapping[str, Any]
    journal: Journal
    open_backend: Callable[[], Backend]
    free_types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    accepted: list[Sample] = field(default_factory=list, init=False)
    rejected: list[dict[str, Any]] = field(default_factory=list, init=False)
    _backend: Backend | None = field(default=None, init=False)
    _to_prefill: list[dict[int, Prompt]] = field(default_factory=list, init=False)

    def run(self) -> Iterator[RoundResult]:
        """Yield the result of each round."""
        for wave in waves(self.states, self.settings.batch):
            prompts: dict[int, Prompt] = {}
            while turns := self._turns(wave):
                changed = {
                    turn.chain.number: turn.prompt
                    for turn in turns
                    if prompts.get(turn.chain.number) != turn.prompt
                }
                prompts.update(changed)
                self._to_prefill.append(changed)
                yield self._round(turns)
            self._to_prefill.clear()
            if self._backend is not None:
                self._backend.reset()

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()

    def _turns(self, wave: Sequence[RelationState]) -> list[_Turn]:
        turns = []
        for state in wave:
            missing, most = state.missing(self.settings), self.settings.answer_samples
            # no more answers, nor samples in the last one, than are still needed
            for chain, asked in zip(state.chains, range(0, missing, most), strict=False):
                number = min(most, missing - asked)
                shown = chain.demonstrations(self.settings)
                prompt = self.writer.prompt(state.relation, shown, number)
                requests = self._requests(state, chain, shown, number)
                turns.append(_Turn(state, chain, shown, prompt, requests))
        return turns

    def _requests(
        self, state: RelationState, chain: ChainState, shown: Sequence[Sample], lines: int
    ) -> list[DraftRequest]:
        settings = self.settings
        most = settings.max_new_tokens * lines
        if settings.token_budget is not None:
            most = min(most, settings.token_budget - state.tokens)
        where = f"{settings.seed}/{state.relation.name}/{chain.index}/{chain.step}/{chain.attempt}"
        return [
            DraftRequest(
                chain=chain.number,
                key=f"{settings.mode}/{where}/{candidate}",
                max_tokens=most,
                one_line=settings.mode == "obo",
                grammar=self._grammar(state.relation, shown, lines) if settings.grammar else None,
            )
            for candidate in range(settings.candidates)
        ]

    def _grammar(self, relation: Relation, shown: Sequence[Sample], lines: int) -> GrammarSpec:
        settings = self.settings
        named = settings.types or settings.markup == "fields"
        spec = GrammarSpec(
            lines=lines,
            max_entity_chars=settings.max_entity_chars,
            **self.pool.limits.for_grammar,
            one_sentence=settings.one_sentence,
            adjacent=all(has_unspaced(sample.text) for sample in shown),
            nested=any(sample.overlapping for sample in shown),
            head_types=(relation.head_types or self.free_types) if named else (),
            tail_types=(relation.tail_types or self.free_types) if named else (),
        )
        if settings.markup == "fields":
            return FieldsSpec(**asdict(spec), relation=relation.shown)
        return spec

    def _round(self, turns: Sequence[_Turn]) -> RoundResult:
        drafts, seconds = self._drafts(turns)
        for turn in turns:
            own = [drafts[request.key] for request in turn.requests]
            turn.state.tokens += sum(draft.tokens for draft in own)
            if self.settings.mode == "obo":
                self._judge_step(turn, own)
            else:
                self._judge_answer(turn, own[0])
        return RoundResult(sum(draft.tokens for draft in drafts.values()), seconds)

    def _drafts(self, turns: Sequence[_Turn]) -> tuple[dict[str, Draft], float]:
        """Return the drafts by key, and the time to decode and record those not in the journal."""
        asked = [(request, turn.prompt) for turn in turns for request in turn.requests]
        found = {request.key: self.journal.find(request, prompt) for request, prompt in asked}
        known = {key: draft for key, draft in found.items() if draft is not None}
        missing = [pair for pair in asked if pair[0].key not in known]
        if not missing:
            return known, 0.0
        if self._backend is None:
            self._backend = self.open_backend()
        started = time.perf_counter()
        for prompts in self._to_prefill:
            self._backend.prefill(prompts)
        self._to_prefill.clear()
        drafts = self._backend.decode([request for request, _ in missing])
        seconds = round(time.perf_counter() - started, 3)
        new = [(*pair, draft) for pair, draft in zip(missing, drafts, strict=True)]
        self.journal.add(new, seconds=seconds)
        return known | {request.key: draft for request, _, draft in new}, seconds

    def _judge_step(self, turn: _Turn, drafts: Sequence[Draft]) -> None:
        """Keep the best acceptable candidate of a step (OBO)."""
        chain = turn.chain
        turn.state.drafts += len(drafts)
        found = [self._only_verdict(turn, draft) for draft in drafts]
        good = {i: v for i, (_, v) in enumerate(found) if isinstance(v, Sample)}
        best = max(good, key=lambda i: difference(good[i], turn.shown), default=None)
        for i, (draft, (_, verdict)) in enumerate(zip(drafts, found, strict=True)):
            if i != best:
                reason = verdict if isinstance(verdict, str) else "not_chosen"
                self._reject(turn, reason, draft.text)
        if best is None:
            chain.attempt += 1
            return
        self._accept(turn, good[best], drafts[best].logprobs[found[best][0]], "")
        chain.step, chain.attempt = chain.step + 1, 0

    def _judge_answer(self, turn: _Turn, draft: Draft) -> None:
        """Judge each line of an answer as a draft of its own (AAO)."""
        for place, line, verdict in self._verdicts(turn, draft):
            turn.state.drafts += 1
            if isinstance(verdict, str):
                self._reject(turn, verdict, line)
            elif turn.state.accepted >= turn.state.wanted:
                self._reject(turn, "surplus", line)
            else:
                self._accept(turn, verdict, draft.logprobs[place], f"-{place}")
        turn.chain.step += 1

    def _only_verdict(self, turn: _Turn, draft: Draft) -> tuple[int, Sample | str]:
        """Return the place and the sample of the first acceptable line, or a reason.

        The reason is that of the first line which looks like a sample.
        """
        found = [(place, verdict) for place, _, verdict in self._verdicts(turn, draft)]
        good = (entry for entry in found if isinstance(entry[1], Sample))
        like = (entry for entry in found if entry[1] not in ("no_head", "no_fields"))
        return next(good, next(like, found[0]))

    def _verdicts(self, turn: _Turn, draft: Draft) -> Iterator[tuple[int, str, Sample | str]]:
        """Yield each line of an answer with its place, and its sample or a reason to reject it."""
        last, lines = draft.text.count("\n"), written_lines(draft.text)
        if not lines:
            reasons = {"length": "unfinished", "grammar": "dead_end", "stop": "empty"}
            reason = "only_reasoning" if draft.text.strip() else reasons[draft.finish]
            yield 0, draft.text, reason
        for place, line in lines:
            finish = draft.finish if place == last else "stop"
            yield place, line, self._judge(turn, line, finish)

    def _judge(self, turn: _Turn, line: str, finish: Finish) -> Sample | str:
        context = DraftContext(turn.state.relation, turn.shown, self.pool, self.labels)
        grammar = turn.requests[0].grammar
        read = read_fields if self.settings.markup == "fields" else read_draft
        return judge(line, finish, context, self.checks, grammar, read)

    def _accept(self, turn: _Turn, sample: Sample, logprob: float | None, suffix: str) -> None:
        settings, chain = self.settings, turn.chain
        where = f"{sample.relation}-{settings.mode}-s{settings.seed}-{chain.index}-{chain.step}"
        place = {"mode": settings.mode, "chain": chain.index, "step": chain.step}
        origin = {"seed": settings.seed, "prompt_hash": turn.prompt.hash}
        provenance = {**self.provenance, **place, **origin, "mean_token_logprob": logprob}
        sample = replace(sample, id=f"{where}{suffix}", provenance=provenance)
        self.pool.add(sample)
        chain.accepted.append(sample)
        turn.state.accepted += 1
        self.accepted.append(sample)

    def _reject(self, turn: _Turn, reason: str, raw: str) -> None:
        turn.state.rejected[reason] += 1
        place = {"mode": self.settings.mode, "chain": turn.chain.index, "step": turn.chain.step}
        row = {"relation": turn.state.relation.name, **place, "reason": reason, "raw": raw}
        self.rejected.append(row)


def difference(sample: Sample, others: Sequence[Sample]) -> float:
    """Return one minus the mean Jaccard overlap of a sample's words with those of other samples."""
    own = word_set(sample.text)
    return 1.0 - sum(jaccard(own, word_set(other.text)) for other in others) / max(1, len(others))
