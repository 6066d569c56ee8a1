"""Says in words where generating and labelling brought less than was asked for, and what to do.

The figures are those of `generation.json` and `labelled.json`, or of `results.json` for a whole
run.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from relgen.common import find_config, read_yaml
from relgen.experiments.arms import parse_arm
from relgen.models import EMBEDDED_LANGUAGE_MODEL

_FEW = 1 / 3  # of the sentences of a relation, below which few are read as intended
_UNRELIABLE = 0.5  # micro-F1 of a reader
_TENTH = 1 / 10  # of the labelled samples, from which a limit that they exceed is named
_NAMED = 5  # relations in a line
_EMBEDDED = "generate/smollm2_obo"  # the other presets of the model give the same limits
_MORE_VARIED = "raise --temperature, show other labelled samples (--chains), or ask for fewer"
_LIMIT = "raise the limits (--max-words, --max-entity-words, --max-context-words, …)"
_LOOK = "see rejected.jsonl beside the samples; raise --max-drafts-per-sample or change the model"
_REMEDIES = {
    "unfinished": "raise --max-new-tokens",
    "only_reasoning": "switch reasoning off on the server, or raise --max-new-tokens",
    **dict.fromkeys(("duplicate", "near_duplicate"), _MORE_VARIED),
    **dict.fromkeys(("copy_of_demonstration", "near_copy_of_demonstration"), _MORE_VARIED),
    **dict.fromkeys(("long_head", "long_tail", "long_context", "too_long"), _LIMIT),
    "too_short": "lower --min-words",
    **dict.fromkeys(
        ("wrong_head_type", "wrong_tail_type"),
        "compare head_types and tail_types of the schema with the labelled samples",
    ),
}


# from docs/results.md
_LARGER = (
    "name a larger generator: on SemEval, samples that this one wrote and read brought 2.2 points "
    "of micro-F1 over the labelled ones alone, those of a model of 1.5 billion parameters 6.3, and "
    "13.5 with 1,367 unlabelled sentences of the same domain"
)


class Advice(NamedTuple):
    """A problem of the data, and its remedy."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


def generation_advice(summaries: Sequence[Mapping[str, Any]]) -> list[Advice]:
    """Say which relations stay short and why, and which limits the labelled samples exceed.

    `summaries` are of `generate`, one or more seeds of the same settings; numbers are their sums.
    """
    short: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for summary in summaries:
        for name, entry in summary.get("relations", {}).items():
            if entry["accepted"] < entry["wanted"]:
                of = short.setdefault(_cause(entry, summary), defaultdict(Counter))
                of[name].update(accepted=entry["accepted"], wanted=entry["wanted"])
    return [
        *(
            Advice(f"too few samples of {_worst(of, 'accepted', 'wanted')}: {cause}", remedy)
            for (cause, remedy), of in short.items()
        ),
        *_limits(summaries),
    ]


def labelling_advice(summaries: Sequence[Mapping[str, Any]]) -> list[Advice]:
    """Say for which relations few sentences are read as intended, and whether the reader errs.

    `summaries` are of `label`, one or more seeds of the same settings; numbers are their sums.
    """
    relations: defaultdict[str, Counter[str]] = defaultdict(Counter)
    read_as: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for summary in summaries:
        for name, counts in summary["relations"].items():
            relations[name].update(counts)
        for name, counts in summary.get("read_as", {}).items():
            read_as[name].update(counts)
    found = []
    few = {name: of for name, of in relations.items() if of["agreed"] < _FEW * of["intended"]}
    if few:
        named = _worst(few, "agreed", "intended", lambda name: _mostly(read_as[name]))
        remedy = (
            "read some of them; say in the schema's explanations how these relations differ, or "
            "label more samples of them"
        )
        found.append(Advice(f"few sentences are read as intended: {named}", remedy))
    scores = [of["train_micro_f1"] for of in summaries if of.get("train_micro_f1") is not None]
    if scores and (mean := sum(scores) / len(scores)) < _UNRELIABLE:
        problem = (
            f"the model that reads is often wrong on the labelled samples themselves "
            f"(cross-validated micro-F1 {100 * mean:.1f})"
        )
        found.append(Advice(problem, "let a larger model read, or label more samples"))
    return found


def run_advice(results: Mapping[str, Any]) -> list[tuple[str, Advice]]:
    """Return the advice on the sets of `results.json`: tested, reviewed, and each generated one."""
    sets: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in results["arms"]:
        arm = parse_arm(row["arm"])
        if arm.generation and arm.first is None:
            sets.setdefault(arm.generation, {})[row["seed"]] = row
    found = _tested(results.get("tested") or {}) + _reviewed(results.get("reviewed") or {})
    embedded = list[str]()
    for name, rows in sets.items():
        generated, labelled = (
            [row[key] for row in rows.values() if row.get(key)]
            for key in ("generation", "labelling")
        )
        advice = (*generation_advice(generated), *labelling_advice(labelled))
        found += [(name, one) for one in advice]
        if any(summary.get("model") == EMBEDDED_LANGUAGE_MODEL for summary in generated):
            embedded.append(name)
    written = Advice("the embedded model of 135M parameters has written", _LARGER)
    return found + [(name, written) for name in embedded[:1]]


def _tested(counts: Mapping[str, int]) -> list[tuple[str, Advice]]:
    """Return advice on relations without a test sample."""
    lacking = [label for label, number in counts.items() if not number]
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    problem = (
        f"no sample of {', '.join(lacking[:_NAMED])}{more}: how well they are found is unknown"
    )
    remedy = "add some (relgen data split --test 0.3 holds them out)"
    return [("test set", Advice(problem, remedy))] if lacking else []


def _reviewed(review: Mapping[str, Any]) -> list[tuple[str, Advice]]:
    """Return advice on decisions that concern no sample of the run."""
    if not review or review["used"] == review["sentences"]:
        return []
    total, unused = review["sentences"], review["sentences"] - review["used"]
    problem = (
        f"{unused} of {total} reviewed sentences have no effect, because they are not among the "
        "samples of this run"
    )
    return [("review", Advice(problem, "review what it has written and labelled"))]


def _cause(entry: Mapping[str, Any], summary: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a relation is short of its samples, and what to do."""
    if not entry["drafts"]:
        return "without a labelled sample nothing is written", "label at least one"
    budget = summary.get("token_budget")
    if budget is not None and entry["tokens"] >= budget:
        return f"the token budget of {budget} is used up", "raise --token-budget"
    if not entry["rejected"]:
        return "the drafts are used up", _LOOK
    reason = max(entry["rejected"], key=entry["rejected"].__getitem__)
    return f"most rejected drafts are {reason}", _REMEDIES.get(reason, _LOOK)


def _limits(summaries: Sequence[Mapping[str, Any]]) -> Iterable[Advice]:
    """Yield advice on each limit that labelled samples exceed.

    Not on those that the embedded model's presets give: without them it does not end its sentences.
    """
    limits: defaultdict[str, list[Mapping[str, int]]] = defaultdict(list)
    for summary in summaries:
        needed = _needed_limits() if summary.get("model") == EMBEDDED_LANGUAGE_MODEL else {}
        for name, found in summary.get("limits", {}).items():
            if found["limit"] != needed.get(name):
                limits[name].append(found)
    for name, each in limits.items():
        above, labelled = (sum(of[key] for of in each) for key in ("above", "labelled"))
        if above < _TENTH * labelled:
            continue
        longest, limit = max(of["longest"] for of in each), each[0]["limit"]
        problem = (
            f"{name}: {limit} cuts what the model writes, while {above} of {labelled} labelled "
            f"samples exceed it (up to {longest})"
        )
        yield Advice(problem, "raise it, or set it to null if the model ends sentences by itself")


@functools.cache
def _needed_limits() -> dict[str, int]:
    preset = read_yaml(find_config(_EMBEDDED))
    return {name: preset[name] for name in ("max_context_words", "max_entity_words")}


def _worst(
    relations: Mapping[str, Counter[str]],
    part: str,
    whole: str,
    note: Callable[[str], str] = lambda name: "",
) -> str:
    """Name relations with their numbers, those with the smallest share first."""
    order = sorted(relations, key=lambda name: relations[name][part] / relations[name][whole])
    named = [
        f"{name} ({relations[name][part]} of {relations[name][whole]}{note(name)})"
        for name in order[:_NAMED]
    ]
    rest = len(order) - _NAMED
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")


def _mostly(counts: Counter[str]) -> str:
    return f", mostly as {counts.most_common(1)[0][0]}" if counts else ""
