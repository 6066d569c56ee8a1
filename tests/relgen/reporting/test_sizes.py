"""Curves over the number of generated samples, and where they level off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relgen.reporting.data import Run
from relgen.reporting.report import _render, comparison_content
from relgen.reporting.sizes import level_off, size_curves

pytestmark = pytest.mark.compute


def test_curves(runs: dict[str, Run]) -> None:
    first = size_curves(runs)[0]
    # the whole set counts as its size, 16 samples a relation
    assert [n for n, _, _ in first.points] == [4, 16]
    assert first.points[0][1] == pytest.approx(0.585)
    # 16 beats 4 by two points in every seed
    assert (first.level, first.peak, first.rest) == (None, None, None)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        # what the published grid has: 8, 16 and 32 samples
        (
            {4: [0.37, 0.38], 8: [0.23, 0.22], 16: [0.13, 0.15]},
            "highest at 4, lower after it (the largest number compared with it: -23.5, "
            "standard error 0.5)",
        ),
        (
            {4: [0.50, 0.52], 8: [0.55, 0.56], 16: [0.45, 0.44]},
            "highest at 8, lower after it (the largest number compared with it: -11.0, "
            "standard error 1.0)",
        ),
        (
            {4: [0.50, 0.52], 8: [0.60, 0.61], 16: [0.6018, 0.6078]},
            "levels off at 8 (the largest number compared with it: 0.0, standard error 0.2)",
        ),
        ({4: [0.5, 0.5], 16: [0.6, 0.6]}, "does not level off"),
    ],
)
def test_a_curve_that_falls_does_not_level_off(
    runs: dict[str, Run], tmp_path: Path, scores: dict[int, list[float]], said: str
) -> None:
    run = runs["semeval-k8"]
    some = run.arms[0]
    arms = [
        replace(some, arm=f"obo_mix@{n}", seed=seed, figures={"micro_f1": score})
        for n, of in scores.items()
        for seed, score in enumerate(of)
    ]
    content = comparison_content({"k8": replace(run, arms=arms)}, "x", "")
    for path in _render("comparison", content, tmp_path / "shown"):
        assert f"; {said}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("scores", "level"),
    [
        ({8: [0.5, 0.5], 16: [0.6, 0.61], 32: [0.6, 0.61], 64: [0.61, 0.6]}, 16),
        ({8: [0.6, 0.6], 16: [0.59, 0.6]}, 8),
        ({8: [0.5, 0.5], 16: [0.6, 0.6]}, None),
        ({8: [0.5], 16: [0.5]}, None),
    ],
)
def test_level_off(scores: dict[int, list[float]], level: int | None) -> None:
    assert level_off({n: dict(enumerate(of)) for n, of in scores.items()}) == level
