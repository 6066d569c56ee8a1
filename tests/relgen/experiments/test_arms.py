"""Names of arms and their parts."""

import pytest

from relgen.common.errors import InputError
from relgen.experiments.arms import (
    ARMS,
    GENERATIONS,
    Arm,
    as_method,
    parse_arm,
    without_review,
    without_tuning,
)


def test_names() -> None:
    assert parse_arm("human") == Arm("human", None, "human")
    assert parse_arm("direct") == Arm("direct", None, "direct")
    assert parse_arm("reader") == Arm("reader", None, "reader")
    assert parse_arm("xu2023") == Arm("xu2023", "xu2023", "mix")
    assert parse_arm("xu2023_pure") == Arm("xu2023_pure", "xu2023", "pure")
    assert parse_arm("obo_dpo_pure") == Arm("obo_dpo_pure", "obo_dpo", "pure")
    assert parse_arm("obo_dpo_no_near_copy_mix").generation == "obo_dpo_no_near_copy"
    assert parse_arm("obo_dpo_mix@16") == Arm("obo_dpo_mix@16", "obo_dpo", "mix", 16)
    assert parse_arm("unlabelled_mix") == Arm("unlabelled_mix", None, "mix", unlabelled=True)
    name = "obo_dpo_unlabelled_mix@4"
    assert parse_arm(name) == Arm(name, "obo_dpo", "mix", 4, unlabelled=True)
    name = "obo_dpo_mix_reviewed@4"
    assert parse_arm(name) == Arm(name, "obo_dpo", "mix", 4, reviewed=True)
    assert parse_arm("unlabelled_mix_reviewed").unlabelled
    assert {parse_arm(arm).generation for arm in ARMS} == {None, *GENERATIONS}
    assert {arm for arm in ARMS if parse_arm(arm).unlabelled} == {
        "unlabelled_mix",
        *(f"{way}_unlabelled_mix" for way in GENERATIONS),
    }


def test_the_ablations_differ_from_the_method_in_one_thing() -> None:
    method = GENERATIONS["obo_dpo"]
    assert GENERATIONS["obo"].tuning is None
    assert GENERATIONS["aao_dpo"].tuning == method.tuning
    assert GENERATIONS["obo_dpo_window"].tuning == method.tuning
    tuned = [g.tuning for name, g in GENERATIONS.items() if name.startswith("obo_dpo_no_")]
    assert {t.without for t in tuned if t} == {"wrong_label", "near_copy", "exact_copy"}
    assert all(t.diverse for t in tuned if t)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("obo_dpo_mxi", "did you mean 'obo_dpo_mix'"),
        ("obo_mix@0", "for example obo_dpo_mix@16"),
        ("obo_mix@", "for example"),
        ("obo_mix@x", "for example"),
        ("human@8", "for example"),
        ("reader@8", "for example"),
        ("unlabelled_mix@8", "for example"),
        ("human_reviewed", "unknown arm"),
        ("reader_reviewed", "unknown arm"),
        ("unlabelled_pure", "did you mean 'unlabelled_mix'"),
    ],
)
def test_mistakes(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        parse_arm(name)


def test_the_same_without_tuning() -> None:
    assert without_tuning("obo_dpo_mix") == "obo_mix"
    assert without_tuning("obo_dpo_pure@8") == "obo_pure@8"
    assert without_tuning("aao_dpo_mix") == "aao_mix"
    assert without_tuning("obo_dpo_plain_mix") == "obo_plain_mix"
    # there is no window without tuning, and the kinds of rejected samples are the tuning's
    assert without_tuning("obo_dpo_window_mix") is None
    assert without_tuning("obo_dpo_no_near_copy_mix") == "obo_mix"
    assert without_tuning("obo_dpo_unlabelled_mix") == "obo_unlabelled_mix"
    assert without_tuning("obo_dpo_mix_reviewed@8") == "obo_mix_reviewed@8"
    assert without_tuning("unlabelled_mix") is None
    assert without_tuning("human") is None
    assert without_tuning("obo_mix") is None


def test_the_same_without_a_review() -> None:
    assert without_review("obo_dpo_mix_reviewed@8") == "obo_dpo_mix@8"
    assert without_review("unlabelled_mix_reviewed") == "unlabelled_mix"
    assert without_review("obo_dpo_mix") is None


def test_the_same_by_the_method() -> None:
    assert as_method("obo_dpo_window_pure@8") == "obo_dpo_pure@8"
    assert as_method("xu2023") == "obo_dpo_mix"
    assert [as_method(name) for name in ("human", "direct", "obo_dpo_mix")] == [None] * 3
