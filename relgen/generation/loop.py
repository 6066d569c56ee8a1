"""The rounds of a generation: every chain that wants a sample drafts one, then all are judged.

The loop is a function of its inputs and of the drafts. A run that goes on replays the drafts that
its journal holds, and repeats the calls of `Backend.show` in the same order and of the same shapes,
so that the cache holds bit for bit what it held when the run was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from relgen.data import Relation, Sample
from relgen.generation.acceptance import Check, Pool, Read, Surroundings, judge, read_draft
from relgen.generation.backends.base import Backend, Draft, DraftRequest
from relgen.generation.chains import Chain, RelationState, Writer, waves, write_prompt
from relgen.generation.files.journal import Journal, Round
from relgen.generation.grammar.fields import FieldsSpec
from relgen.generation.grammar.spec import GrammarSpec
from relgen.generation.overlap import jaccard, words
from relgen.generation.settings import GenerationSettings
from relgen.prompting import Prompt, read_fields


@dataclass(slots=True)
class RoundResult:
    """What a round gave: accepted samples, rows for `rejected.jsonl`, tokens, seconds."""

    accepted: list[Sample] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Turn:
    """A chain's part in a round: what it showed, and its requests."""

    state: RelationState
    chain: Chain
    shown: list[Sample]
    prompt: Prompt
    requests: list[DraftRequest]


class GenerationLoop:
    """Runs all chains to their end.

    Args:
        settings: see there.
        states: the relations and their chains (`chains.plan`); updated as it goes.
        writer: writes prompts for the model.
        checks: what a draft must pass.
        pool: what it must not repeat; updated as it goes.
        provenance: what all samples' provenance has in common.
        journal: replayed first, then written.
        open_backend: loads the model; called only when a draft is wanted that is not recorded.
        free_types: types for roles that the schema leaves open (`settings.types`).
    """

    def __init__(
        self,
        settings: GenerationSettings,
        states: Sequence[RelationState],
        writer: Writer,
        checks: Sequence[Check],
        pool: Pool,
        provenance: Mapping[str, Any],
        journal: Journal,
        open_backend: Callable[[], Backend],
        free_types: tuple[str, ...] = (),
    ) -> None:
        self._settings = settings
        self._states = states
        self._writer = writer
        self._checks = checks
        self._pool = pool
        self._provenance = provenance
        self._journal = journal
        self._open_backend = open_backend
        self._free_types = free_types
        self._read: Read = read_fields if settings.markup == "fields" else read_draft
        self._backend: Backend | None = None
        self._to_show: list[dict[int, Prompt]] = []

    def run(self) -> Iterator[RoundResult]:
        """Yields after every round."""
        for wave in waves(self._states, self._settings.batch):
            shown: dict[int, Prompt] = {}
            while turns := self._turns(wave):
                news = {
                    turn.chain.number: turn.prompt
                    for turn in turns
                    if shown.get(turn.chain.number) != turn.prompt
                }
                shown.update(news)
                self._to_show.append(news)
                yield self._round(turns)
            self._to_show.clear()
            if self._backend is not None:
                self._backend.forget()

    def close(self) -> None:
        """Releases what the backend holds, if one was opened."""
        if self._backend is not None:
            self._backend.close()

    def _turns(self, wave: Sequence[RelationState]) -> list[_Turn]:
        turns = []
        for state in wave:
            # no more answers, nor samples in the last one, than are still needed
            lines = _shares(state.missing(self._settings), self._settings.answer_samples)
            for chain, number in zip(state.chains, lines, strict=False):
                shown = chain.demonstrations(self._settings)
                prompt = write_prompt(self._writer, state.relation, shown, self._settings, number)
                requests = self._requests(state, chain, number)
                turns.append(_Turn(state, chain, shown, prompt, requests))
        return turns

    def _requests(self, state: RelationState, chain: Chain, lines: int) -> list[DraftRequest]:
        settings = self._settings
        where = f"{settings.seed}/{state.relation.name}/{chain.index}/{chain.step}/{chain.attempt}"
        return [
            DraftRequest(
                chain=chain.number,
                key=f"{settings.mode}/{where}/{candidate}",
                max_tokens=state.max_tokens(settings, lines),
                one_line=settings.mode == "obo",
                grammar=self._grammar(state.relation, lines) if settings.grammar else None,
            )
            for candidate in range(settings.candidates)
        ]

    def _grammar(self, relation: Relation, lines: int) -> GrammarSpec:
        settings = self._settings
        spec = GrammarSpec(
            lines=lines,
            max_entity_chars=settings.max_entity_chars,
            max_entity_words=settings.max_entity_words,
            max_context_chars=settings.max_context_chars,
            max_context_words=settings.max_context_words,
            one_sentence=settings.one_sentence,
        )
        named = settings.types or settings.markup == "fields"
        head = (relation.head_types or self._free_types) if named else ()
        tail = (relation.tail_types or self._free_types) if named else ()
        spec = replace(spec, head_types=head, tail_types=tail)
        if settings.markup == "fields":
            return FieldsSpec(**asdict(spec), relation=relation.shown)
        return spec

    def _round(self, turns: Sequence[_Turn]) -> RoundResult:
        requests = [request for turn in turns for request in turn.requests]
        replayed = self._journal.replaying
        recorded = self._recorded(requests) if replayed else self._drafted(requests)
        result = RoundResult(seconds=recorded.seconds, replayed=replayed)
        drafts = iter(recorded.drafts)
        for turn in turns:
            own = [next(drafts) for _ in turn.requests]
            tokens = sum(draft.tokens for draft in own)
            turn.state.tokens += tokens
            result.tokens += tokens
            if self._settings.mode == "obo":
                self._judge_step(turn, own, result)
            else:
                self._judge_answer(turn, own[0], result)
        return result

    def _recorded(self, requests: Sequence[DraftRequest]) -> Round:
        return self._journal.replay([request.key for request in requests])

    def _drafted(self, requests: Sequence[DraftRequest]) -> Round:
        if self._backend is None:
            self._backend = self._open_backend()
        started = time.perf_counter()
        for prompts in self._to_show:
            self._backend.show(prompts)
        self._to_show.clear()
        drafts = tuple(self._backend.draft(requests))
        seconds = round(time.perf_counter() - started, 3)
        entry = Round(tuple(request.key for request in requests), drafts, seconds)
        self._journal.record(entry)
        return entry

    def _judge_step(self, turn: _Turn, drafts: Sequence[Draft], result: RoundResult) -> None:
        """OBO: keeps one of the step's candidates, if one is acceptable."""
        chain = turn.chain
        surroundings = Surroundings(turn.state.relation, turn.shown, self._pool)
        good: list[tuple[Sample, Draft]] = []
        turn.state.drafts += len(drafts)
        grammar = turn.requests[0].grammar
        for draft in drafts:
            verdict = judge(
                draft.text, draft.finish, surroundings, self._checks, grammar, self._read
            )
            if verdict.sample is None:
                self._reject(turn, str(verdict.reason), draft.text, result)
            else:
                good.append((verdict.sample, draft))
        if not good:
            chain.attempt += 1
            return
        best = max(range(len(good)), key=lambda i: (difference(good[i][0], turn.shown), -i))
        for place, (_, draft) in enumerate(good):
            if place != best:
                self._reject(turn, "not_chosen", draft.text, result)
        sample, draft = good[best]
        self._accept(turn, sample, draft.logprobs[0], "", result)
        chain.step, chain.attempt = chain.step + 1, 0

    def _judge_answer(self, turn: _Turn, draft: Draft, result: RoundResult) -> None:
        """AAO: every line of the answer is a draft."""
        lines, grammar = draft.text.split("\n"), turn.requests[0].grammar
        surroundings = Surroundings(turn.state.relation, turn.shown, self._pool)
        written = [i for i, line in enumerate(lines) if line.strip() or i == 0 == len(lines) - 1]
        turn.state.drafts += max(1, len(written))
        for place in written:
            finish = draft.finish if place == len(lines) - 1 else "stop"
            verdict = judge(lines[place], finish, surroundings, self._checks, grammar, self._read)
            if verdict.sample is None:
                self._reject(turn, str(verdict.reason), lines[place], result)
            elif turn.state.accepted >= turn.state.wanted:
                self._reject(turn, "surplus", lines[place], result)
            else:
                logprob = draft.logprobs[place]
                self._accept(turn, verdict.sample, logprob, f"-{place}", result)
        turn.chain.step += 1

    def _accept(
        self, turn: _Turn, sample: Sample, logprob: float | None, suffix: str, result: RoundResult
    ) -> None:
        settings, chain = self._settings, turn.chain
        where = f"{sample.relation}-{settings.mode}-s{settings.seed}-{chain.index}-{chain.step}"
        provenance = {
            **self._provenance,
            "mode": settings.mode,
            "chain": chain.index,
            "step": chain.step,
            "seed": settings.seed,
            "prompt_hash": turn.prompt.hash,
            "mean_token_logprob": logprob,
        }
        sample = replace(sample, id=f"{where}{suffix}", provenance=provenance)
        self._pool.add(sample)
        chain.accepted.append(sample)
        turn.state.accepted += 1
        result.accepted.append(sample)

    def _reject(self, turn: _Turn, reason: str, raw: str, result: RoundResult) -> None:
        turn.state.rejected[reason] += 1
        result.rejected.append(
            {
                "relation": turn.state.relation.name,
                "mode": self._settings.mode,
                "chain": turn.chain.index,
                "step": turn.chain.step,
                "reason": reason,
                "raw": raw,
            }
        )


def _shares(missing: int, answer_samples: int) -> list[int]:
    """The samples to ask for in each answer: 9 missing, 4 an answer, are 4, 4 and 1."""
    return [min(answer_samples, missing - asked) for asked in range(0, missing, answer_samples)]


def difference(sample: Sample, others: Sequence[Sample]) -> float:
    """One minus the mean Jaccard overlap of a sample's words (entities included) with others'."""
    own = words(sample.text)
    return 1.0 - sum(jaccard(own, words(other.text)) for other in others) / max(1, len(others))
