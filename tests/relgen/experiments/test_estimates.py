"""How long stages take: rough figures first, then what the first of a kind took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relgen.experiments.config import Experiment, Generator
from relgen.experiments.estimates import Estimates, in_words
from relgen.experiments.planner import plan
from relgen.experiments.stages import Plan, Stage


def found(made: Plan, name: str) -> Stage:
    return next(stage for stage in made.stages if stage.name == f"seed1/{name}")


def test_rough_figures_follow_what_a_stage_does(experiment: Experiment, tmp_path: Path) -> None:
    # two relations, halved; two shots; one pair a relation
    made = plan(replace(experiment, arms=("obo_dpo_mix", "direct"), dpo_epochs=3), tmp_path / "run")
    estimates = Estimates([(experiment, made)])
    seconds = {stage.name.partition("/")[2]: estimates.seconds(stage) for stage in made.stages}
    expected = {
        "split": 1.0,
        "dpo-a": 4 + 1.15 * 1 * 3,
        "generate-obo_dpo-a": 4 + 0.41 * 16,
        "label-obo_dpo": 4 + 0.135 * 2 * (16 + 2),
        "train-obo_dpo_mix": 4 + 0.28 * 240,
        "direct": 4 + 0.5 * 2,
    }
    assert {name: seconds[name] for name in expected} == pytest.approx(expected)


def test_the_first_of_a_kind_tells_about_the_others(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    own = replace(experiment, generator=Generator(model=str(tmp_path / "model")), label=None)
    made = plan(own, tmp_path / "run")
    estimates = Estimates([(own, made)])
    first, second = (found(made, f"generate-obo_dpo-{half}") for half in "ab")
    assert estimates.seconds(first) is None
    assert estimates.describe([first, found(made, "split")]) == (
        "about 1 s (roughly, as measured on two cores), and generate: known once the first of each "
        "is done"
    )
    estimates.learn(first, 90.0)
    assert estimates.seconds(second) == pytest.approx(90.0)
    assert estimates.describe([second, found(made, "split")]) == "about 2 min"


def test_stages_of_other_kinds_tell_how_fast_the_machine_is(
    experiment: Experiment, tmp_path: Path
) -> None:
    made = plan(replace(experiment, arms=("obo_dpo_mix",)), tmp_path / "run")
    estimates = Estimates([(experiment, made)])
    first, second = (found(made, f"generate-obo_dpo-{half}") for half in "ab")
    train, split = found(made, "train-obo_dpo_mix"), found(made, "split")
    before = {stage.name: estimates.seconds(stage) for stage in (second, train, split)}
    taken = 3 * (4 + 0.41 * 16)
    estimates.learn(first, taken)
    assert estimates.seconds(second) == pytest.approx(taken)
    assert estimates.seconds(train) == pytest.approx(3 * before[train.name])
    assert estimates.seconds(split) == before[split.name] == 1.0
    # its own kind counts more than the others
    estimates.learn(train, 7.0)
    assert estimates.seconds(train) == pytest.approx(7.0)
    assert estimates.seconds(second) == pytest.approx(taken)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3600, "60 min"), (9000, "2 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
