"""The state of a review: who decided what about which sample, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from relgen.common import InputError, append_line, refuse_unprintable, resume_log
from relgen.data import UNLABELLED, Entity, RelationSchema, Sample
from relgen.review.decisions import ConflictError, Decision, Results, most_frequent
from relgen.review.order import in_review_order

_HEADER = "review"


class Session:
    """Samples under review, resumed from a log.

    Args:
        samples: those with a `review` are not shown again.
        schema: the relations to choose from.
        log: where decisions are appended.
        votes: the number of people who decide on each sample.
        guesses: relations that were read in samples without `scores`, with their probabilities.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        schema: RelationSchema,
        log: Path,
        *,
        votes: int = 1,
        guesses: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.samples = {sample.id: sample for sample in samples}
        self.schema = schema
        self.log = log
        self.votes = votes
        self.guesses = guesses or {}
        self.order = [sample.id for sample in in_review_order(samples)]
        self.decisions: dict[str, dict[str, Decision]] = {name: {} for name in self.order}
        self.added: dict[str, Sample] = {}
        self.undone: dict[tuple[str, str], Decision] = {}
        """By reviewer and sample, what was taken back last and not decided again."""
        self._taken_over: dict[str, Results] = {}
        self._elsewhere: dict[str | None, set[tuple[str, str, str]]] = {None: set()}
        self._kinds, self._reviewers = Counter[str](), Counter[str]()
        self._numbers, self._seconds = Counter[str](), 0.0
        self._ranks = {name: rank for rank, name in enumerate(self.order)}
        self._first = 0  # the samples before it are done
        self._history: dict[str, dict[str, None]] = {}  # by reviewer, the latest last
        self._shown: dict[str, str] = {}
        self._postponed: dict[str, list[str]] = {}
        other, remedy = "this log is not of a review", "choose another --out"
        for line in resume_log(log, _HEADER, other=other, remedy=remedy):
            try:
                self._apply(line)
            except (KeyError, TypeError, ValueError) as error:
                problem = f"a line of the log cannot be used ({type(error).__name__}: {error})"
                correct = f"correct or remove the line, or {remedy}"
                raise InputError(problem, path=log, value=line, remedy=correct) from error

    @property
    def elsewhere(self) -> int:
        """Return how many decisions of the log are about other samples."""
        return sum(map(len, self._elsewhere.values()))

    def current(self, reviewer: str) -> Sample | None:
        """Return the sample for a reviewer to decide on; None if none is left.

        It stays the same until it is decided on or postponed. What others look at comes last.
        """
        _check_name(reviewer)
        shown = self._shown.pop(reviewer, None)
        if shown is None or not self.is_open(shown, reviewer):
            shown = self._next(reviewer)
        if shown is None:
            return None
        self._shown[reviewer] = shown
        return self.samples[shown]

    def _next(self, reviewer: str) -> str | None:
        while self._first < len(self.order) and self._is_done(self.order[self._first]):
            self._first += 1
        postponed, others = self._postponed.get(reviewer, []), set(self._shown.values())
        rest = []
        for name in islice(self.order, self._first, None):
            if self.is_open(name, reviewer):
                if name not in others and name not in postponed:
                    return name
                rest.append(name)
        return min(
            rest, key=lambda one: postponed.index(one) if one in postponed else -1, default=None
        )

    def is_open(self, name: str, reviewer: str) -> bool:
        """Return whether a reviewer is still to decide on a sample."""
        given = self.decisions[name]
        return reviewer not in given and not self._is_done(name)

    def settled(self, name: str) -> list[Decision]:
        """Return the decisions on a sample that agree and are more than any others, or none."""
        return most_frequent(self.decisions[name].values())

    def decide(self, decision: Decision) -> None:
        """Check a decision, write it to the log, and count it; one of the same person is replaced.

        Raises:
            ConflictError: others have decided on the sample.
            InputError: there is no such sample, or the result would be none.
        """
        _check_name(decision.reviewer)
        if decision.id not in self.decisions:
            raise InputError("no such sample is under review", field="id", value=decision.id)
        given = self.decisions[decision.id]
        if decision.reviewer not in given and not self.is_open(decision.id, decision.reviewer):
            raise ConflictError(f"{', '.join(given)} decided on it already")
        sample = self.samples[decision.id]
        if decision.accepted and sample.head.span != sample.tail.span:
            _refuse_alike(decision.head, decision.tail)
        self.check(decision)
        self._write({"decision": asdict(decision)})

    def check(self, decision: Decision) -> None:
        """Raise InputError for a decision of which no sample could be made."""
        if decision.accepted:
            if decision.relation is None:
                raise InputError("choose a relation", field="relation", value=None)
            self.schema.check_label(decision.relation)
        self.result(self.samples[decision.id], [decision])

    def take_over(self, results: Results) -> int:
        """Put a tool's checked results in the place of earlier ones of the same source.

        Returns how many of the earlier decisions and new samples are no longer there.
        """
        before = self.earlier(results.source)
        if results != before:
            self._write({"results": results.to_json()})
        now, then = (
            {*((one.id, one.reviewer) for one in each.decisions), *(one.id for one in each.added)}
            for each in (results, before)
        )
        return len(then - now)

    def earlier(self, source: str) -> Results:
        """Return what was taken over from a source before."""
        return self._taken_over.get(source, Results(source, [], []))

    def beside(self, own: Results) -> tuple[set[str], dict[str, Sample]]:
        """Return the ids of the samples that a tool may decide on, and the samples that stay.

        The tool may decide again where it has decided, and add its `own` new samples again.
        """
        decided = {one.id for one in self.earlier(own.source).decisions}
        free = {name for name in self.decisions if name in decided or not self._is_done(name)}
        new = {sample.id for sample in own.added}
        stay = {name: one for name, one in self.added.items() if name not in new}
        return free, self.samples | stay

    def postpone(self, reviewer: str) -> None:
        """Show the present sample of a reviewer again only after all others."""
        if (sample := self.current(reviewer)) is not None:
            mine = self._postponed.setdefault(reviewer, [])
            self._postponed[reviewer] = [*(x for x in mine if x != sample.id), sample.id]
            del self._shown[reviewer]

    def undo(self, reviewer: str) -> Decision | Sample | None:
        """Take back the last decision of a reviewer, show its sample again, and return it.

        If the last one was a sample that the reviewer wrote, it is taken out and returned.
        """
        if not (done := self._history.get(reviewer)):
            return None
        name = next(reversed(done))
        undone = self.added.get(name) or self.decisions[name].get(reviewer)
        text = (self.added.get(name) or self.samples[name]).text
        self._write({"undo": {"id": name, "text": text, "reviewer": reviewer}})
        if isinstance(undone, Decision):
            self._shown[reviewer] = undone.id
        return undone

    def write(self, reviewer: str, text: str, relation: str, head: Entity, tail: Entity) -> None:
        """Add a sample that a reviewer wrote; a repeated request adds nothing.

        Raises InputError if it is none, or these entities of the sentence are a sample already.
        """
        _check_name(reviewer)
        _refuse_alike(head, tail)
        self.schema.check_label(relation)
        review = {"reviewer": reviewer, "decision": "added"}
        taken = {*self.samples, *self.added}
        name = next(name for n in count(1) if (name := f"written-{n}") not in taken)
        sample = Sample(name, text, head, tail, relation, review=review)
        others = (*self.samples.values(), *self.added.values())
        there = next((one for one in others if one.pair == sample.pair), None)
        if there is None:
            self._write({"added": sample.to_json()})
        elif replace(there, id=name) != sample:
            problem = "these entities of this sentence are a sample already"
            raise InputError(problem, field="text", value=there.id)

    def result(self, sample: Sample, decisions: Sequence[Decision]) -> Sample:
        """Return a sample as decisions that agree have it, with its `review`."""
        first = decisions[0]
        given = self.decisions[sample.id].values()
        head, tail, relation = first.head, first.tail, first.relation or sample.relation
        same = (sample.relation, sample.head, sample.tail) == (relation, head, tail)
        kind = ("accepted" if same else "changed") if first.accepted else "rejected"
        review: dict[str, Any] = {
            "reviewer": ", ".join(sorted(decision.reviewer for decision in decisions)),
            "decision": kind,
            "seconds": round(sum(decision.seconds for decision in given or decisions), 1),
        }
        if comment := "; ".join(filter(None, (decision.comment for decision in given))):
            review["comment"] = comment
        made = replace(sample, head=head, tail=tail, relation=relation, review=review)
        changed = kind == "changed" and relation in self.schema
        return made.typed_for(self.schema[relation]) if changed else made

    def results(self) -> list[Sample]:
        """Return the samples in the file's order, also those rejected, and those added.

        Those without a relation that nobody has decided on are left out.
        """
        found: list[Sample] = []
        for name, sample in self.samples.items():
            if decisions := self.settled(name) if name in self.decisions else []:
                found.append(self.result(sample, decisions))
            elif sample.relation != UNLABELLED or sample.rejected:
                found.append(sample)
        return [*found, *self.added.values()]

    def progress(self) -> dict[str, Any]:
        """Return how many samples are done, by what was decided and by reviewer, and the time."""
        total, seconds = len(self.order), self._seconds
        done, decided = self._numbers["done"], self._numbers["decided"]
        return {
            "total": total,
            "done": done,
            "kinds": dict(sorted((+self._kinds).items())),
            "written": len(self.added),
            "reviewers": dict(+self._reviewers),
            "seconds": round(seconds, 1),
            "seconds_left": round(seconds / decided * (total - done)) if decided else 0,
            "several": self._numbers["several"],
            "agreed": self._numbers["agreed"],
        }

    def _count(self, name: str, sign: int) -> None:
        """Add the decisions on a sample to the progress, or with -1 take them out of it."""
        if not (given := self.decisions[name]):
            return
        decisions = self.settled(name)
        result = self.result(self.samples[name], decisions) if decisions else None
        self._kinds[(result.review or {})["decision"] if result else "disputed"] += sign
        for decision in given.values():
            self._reviewers[decision.reviewer] += sign
        several = len(given) > 1
        self._numbers["decided"] += sign * len(given)
        self._numbers["done"] += sign * self._is_done(name)
        self._numbers["several"] += sign * several
        self._numbers["agreed"] += sign * (several and len(decisions) == len(given))
        self._seconds += sign * sum(decision.seconds for decision in given.values())

    def _is_done(self, name: str) -> bool:
        return len(self.decisions[name]) >= self.votes and bool(self.settled(name))

    def _put(self, name: str, reviewer: str, decision: Decision | None) -> Decision | None:
        """Replace a reviewer's decision on a sample, and return the one before."""
        self._first = min(self._first, self._ranks[name])
        self._count(name, -1)
        before = self.decisions[name].pop(reviewer, None)
        if decision is not None:
            self.decisions[name][reviewer] = decision
        self._count(name, 1)
        return before

    def _write(self, line: dict[str, Any]) -> None:
        append_line(self.log, line)
        self._apply(line)

    def _apply(self, line: Any) -> None:
        if "undo" in line:
            self._take_back(line["undo"])
        elif "added" in line:
            sample = Sample.from_json(line["added"])
            self.schema.check_label(sample.relation)
            reviewer = (sample.review or {})["reviewer"]
            if sample.id in self.samples:  # the file holds it by now
                return
            self.added[sample.id] = sample
            self._reviewers[reviewer] += 1
            self._remember(reviewer, sample.id)
        elif "results" in line:
            self._replace(Results.from_json(line["results"]))
        else:
            decision = Decision.from_json(line["decision"])
            if not self._knows(decision):
                self._elsewhere[None].add((decision.id, decision.text, decision.reviewer))
                return
            self._put(decision.id, decision.reviewer, decision)
            self.undone.pop((decision.reviewer, decision.id), None)
            self._remember(decision.reviewer, decision.id)

    def _knows(self, decision: Decision) -> bool:
        """Return whether a decision is about a sample under review; check its relation if so."""
        known = decision.id in self.decisions
        if not known or self.samples[decision.id].text != decision.text:
            return False
        if decision.accepted and decision.relation is not None:
            self.schema.check_label(decision.relation)
        return True

    def _take_back(self, line: Mapping[str, str]) -> None:
        name, text, reviewer = line["id"], line["text"], line["reviewer"]
        self._elsewhere[None].discard((name, text, reviewer))
        sample = self.added.get(name) or self.samples.get(name)
        history = self._history.get(reviewer, {})
        if sample is None or sample.text != text or name not in history:
            return
        del history[name]
        if self.added.pop(name, None) is not None:
            self._reviewers[reviewer] -= 1
        elif (undone := self._put(name, reviewer, None)) is not None:
            self.undone[reviewer, name] = undone

    def _replace(self, results: Results) -> None:
        before = self.earlier(results.source)
        for decision in filter(self._knows, before.decisions):
            self._put(decision.id, decision.reviewer, None)
        for sample in before.added:
            self.added.pop(sample.id, None)
        others = self._elsewhere[results.source] = set()
        for decision in results.decisions:
            if self._knows(decision):
                self._put(decision.id, decision.reviewer, decision)
            else:
                others.add((decision.id, decision.text, decision.reviewer))
        self.added |= {one.id: one for one in results.added if one.id not in self.samples}
        self._taken_over[results.source] = results

    def _remember(self, reviewer: str, name: str) -> None:
        history = self._history.setdefault(reviewer, {})
        history.pop(name, None)
        history[name] = None


def _refuse_alike(head: Entity, tail: Entity) -> None:
    if head.span == tail.span:
        value, remedy = [*tail.span], "mark another one"
        raise InputError("is the head as well", field="tail", value=value, remedy=remedy)


def _check_name(reviewer: str) -> None:
    if not reviewer.strip() or len(reviewer) > 60:
        raise InputError("must have 1 to 60 characters", field="reviewer", value=reviewer)
    refuse_unprintable(reviewer, "reviewer")
