"""The state of a review: who decided what about which sample, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

from relgen.common import InputError, append_line, refuse_unprintable, resume_log
from relgen.data import UNLABELLED, Entity, RelationSchema, Sample
from relgen.review.decisions import ConflictError, Decision
from relgen.review.order import in_review_order


class Session:
    """Samples under review, resumed from a log.

    Args:
        samples: those with a `review` are not shown again.
        schema: the relations to choose from.
        log: where decisions are appended.
        header: identifies the samples; a log with another one is refused.
        votes: the number of people who decide on each sample.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        schema: RelationSchema,
        log: Path,
        *,
        header: str,
        votes: int = 1,
    ) -> None:
        self.samples = {sample.id: sample for sample in samples}
        self.schema = schema
        self.log = log
        self.votes = votes
        self.order = [sample.id for sample in in_review_order(samples)]
        self.decisions: dict[str, dict[str, Decision]] = {name: {} for name in self.order}
        self.added: dict[str, Sample] = {}
        self._history: dict[str, list[str]] = {}
        self._shown: dict[str, str] = {}
        self._postponed: dict[str, list[str]] = {}
        other, remedy = "this log is of a review of other samples", "choose another --out"
        for line in resume_log(log, header, other=other, remedy=remedy):
            try:
                self._apply(line)
            except (ConflictError, KeyError, TypeError, ValueError) as error:
                problem = f"a line of the log cannot be used ({type(error).__name__}: {error})"
                correct = f"correct or remove the line, or {remedy}"
                raise InputError(problem, path=log, value=line, remedy=correct) from error

    def current(self, reviewer: str) -> Sample | None:
        """Return the sample for a reviewer to decide on; None if none is left.

        It stays the same until it is decided on or postponed. What others look at comes last.
        """
        _check_name(reviewer)
        shown = self._shown.pop(reviewer, None)
        if shown is None or not self.is_open(shown, reviewer):
            mine = [name for name in self.order if self.is_open(name, reviewer)]
            postponed, others = self._postponed.get(reviewer, []), set(self._shown.values())
            shown = min(
                mine,
                key=lambda name: (
                    postponed.index(name) + 1 if name in postponed else 0,
                    name in others,
                ),
                default=None,
            )
        if shown is None:
            return None
        self._shown[reviewer] = shown
        return self.samples[shown]

    def is_open(self, name: str, reviewer: str) -> bool:
        """Return whether a reviewer is still to decide on a sample."""
        given = self.decisions[name]
        return reviewer not in given and (len(given) < self.votes or not self.settled(name))

    def settled(self, name: str) -> list[Decision]:
        """Return the decisions on a sample that agree and are more than any others, or none."""
        given = self.decisions[name].values()
        counts = Counter(decision.outcome for decision in given).most_common(2)
        if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
            return []
        return [decision for decision in given if decision.outcome == counts[0][0]]

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
        if decision.accepted:
            if decision.relation is None:
                raise InputError("choose a relation", field="relation", value=None)
            self.schema.check_label(decision.relation)
        self.result(self.samples[decision.id], [decision])
        self._write({"decision": asdict(decision)})

    def postpone(self, reviewer: str) -> None:
        """Show the present sample of a reviewer again only after all others."""
        if (sample := self.current(reviewer)) is not None:
            mine = self._postponed.setdefault(reviewer, [])
            self._postponed[reviewer] = [*(x for x in mine if x != sample.id), sample.id]
            del self._shown[reviewer]

    def undo(self, reviewer: str) -> Decision | None:
        """Take back the last decision of a reviewer, show its sample again, and return it.

        If the last one was a sample that the reviewer wrote, it is taken out, and None returned.
        """
        if not (done := self._history.get(reviewer)):
            return None
        undone = self.decisions.get(done[-1], {}).get(reviewer)
        self._write({"undo": reviewer})
        if undone is not None:
            self._shown[reviewer] = undone.id
        return undone

    def add(self, sample: Sample) -> None:
        """Add a sample that a person wrote or labelled; one of the same id is replaced."""
        if sample.id in self.samples:
            raise InputError("another sample has this id", field="id", value=sample.id)
        self.schema.check_label(sample.relation)
        self._write({"added": sample.to_json()})

    def write(self, reviewer: str, text: str, relation: str, head: Entity, tail: Entity) -> None:
        """Add a sample that a reviewer wrote at the page; see `add`."""
        _check_name(reviewer)
        taken = {*self.samples, *self.added}
        name = next(name for n in count(1) if (name := f"written-{n}") not in taken)
        review = {"reviewer": reviewer, "decision": "added"}
        self.add(Sample(name, text, head, tail, relation, review=review))

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

    def results(self) -> tuple[list[Sample], list[Sample]]:
        """Return the samples to keep, in the file's order, and those rejected.

        Those without a relation that nobody has labelled are in neither.
        """
        kept: list[Sample] = []
        rejected: list[Sample] = []
        for name, sample in self.samples.items():
            if decisions := self.settled(name) if name in self.decisions else []:
                made = self.result(sample, decisions)
                (kept if decisions[0].accepted else rejected).append(made)
            elif sample.relation != UNLABELLED:
                kept.append(sample)
        return [*kept, *self.added.values()], rejected

    def progress(self) -> dict[str, Any]:
        """Return how many samples are done, by what was decided and by reviewer, and the time."""
        kinds, by = Counter[str](), Counter[str]()
        seconds, agreed, several = 0.0, 0, 0
        for name, given in self.decisions.items():
            if not given:
                continue
            by.update(given.keys())
            seconds += sum(decision.seconds for decision in given.values())
            decisions = self.settled(name)
            result = self.result(self.samples[name], decisions) if decisions else None
            kinds[(result.review or {})["decision"] if result else "disputed"] += 1
            several += len(given) > 1
            agreed += len(given) > 1 and len(decisions) == len(given)
        done = sum(self._is_done(name) for name in self.order)
        decided = by.total()
        by.update((sample.review or {})["reviewer"] for sample in self.added.values())
        return {
            "total": len(self.order),
            "done": done,
            "kinds": dict(sorted(kinds.items())),
            "written": len(self.added),
            "reviewers": dict(by),
            "seconds": round(seconds, 1),
            "seconds_left": round(seconds / decided * (len(self.order) - done)) if decided else 0,
            "several": several,
            "agreed": agreed,
        }

    def _is_done(self, name: str) -> bool:
        return len(self.decisions[name]) >= self.votes and bool(self.settled(name))

    def _write(self, line: dict[str, Any]) -> None:
        append_line(self.log, line)
        self._apply(line)

    def _apply(self, line: Any) -> None:
        if "undo" in line:
            name = self._history[line["undo"]].pop()
            if self.added.pop(name, None) is None:
                del self.decisions[name][line["undo"]]
        elif "added" in line:
            sample = Sample.from_json(line["added"])
            self.added[sample.id] = sample
            self._remember((sample.review or {})["reviewer"], sample.id)
        else:
            row = line["decision"]
            entities = {role: Entity(**row[role]) for role in ("head", "tail")}
            decision = Decision(**{**row, **entities})
            self._remember(decision.reviewer, decision.id)
            self.decisions[decision.id][decision.reviewer] = decision

    def _remember(self, reviewer: str, name: str) -> None:
        history = self._history.setdefault(reviewer, [])
        if name in history:
            history.remove(name)
        history.append(name)


def _check_name(reviewer: str) -> None:
    if not reviewer.strip() or len(reviewer) > 60:
        raise InputError("must have 1 to 60 characters", field="reviewer", value=reviewer)
    refuse_unprintable(reviewer, "reviewer")
