"""`report_data.json`: what a report needs beyond `results.json`.

All paths in it are relative to the run's folder. Everything is optional but an arm's `arm` and
`seed`; what is missing leaves its part of the report out.
"""

from __future__ import annotations

from typing import Required, TypedDict


class StageData(TypedDict, total=False):
    """One stage: its command line as a person would type it, and when it ran (Unix seconds)."""

    name: Required[str]
    command: Required[str]
    started: float | None
    finished: float | None


class ArmFiles(TypedDict, total=False):
    """Where one arm of one seed left its files.

    Keys:
        arm, seed, classifier: as in `results.json`; `classifier` may be left out where there is
            only one.
        scores: the classifier's `scores.json`, or those of its initialisations in a list.
        classifier_history: its `history.jsonl`, or theirs.
        human: the K-shot split's `train.jsonl`.
        generated: the files of accepted samples, in order (one a half, or one).
        labelled: the same samples under the relations that the classifiers are trained on, where
            these are not the intended ones.
        rejected, generation: the `rejected.jsonl` and `generation.json` beside them, for whoever
            reads on; the report takes the counts from `results.json`.
        diversity: what `relgen diversity --json` printed.
        dpo_history: {"a": history.jsonl, "b": …}, or one under the key "all".
    """

    arm: Required[str]
    seed: Required[int]
    classifier: str
    scores: str | list[str]
    classifier_history: str | list[str]
    human: str
    generated: list[str]
    labelled: str
    rejected: list[str]
    generation: list[str]
    diversity: str
    dpo_history: dict[str, str]


class ReportData(TypedDict, total=False):
    """The content of `report_data.json`.

    Keys:
        settings: the experiment's YAML, as text.
        versions: {"python": …, "relgen": …, "torch": …}, in the order to be shown.
        device: what it ran on, in words.
        stages: every stage, in the order in which they ran.
        arms: the files of every arm and seed.
        labels: the schema's labels, in order.
        negative: the schema's negative label, or null.
        show_human_sentences: false keeps the corpus's own sentences out of the report.
    """

    settings: str
    versions: dict[str, str]
    device: str
    stages: list[StageData]
    arms: list[ArmFiles]
    labels: list[str]
    negative: str | None
    show_human_sentences: bool
