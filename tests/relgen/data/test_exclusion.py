"""What counts as a repetition of an excluded sample."""

import pytest

from relgen.data.exclusion import Exclusion
from relgen.data.samples import Entity, Sample

TEXT = "In the old mill by the river a storm once caused a terrible flood."
OTHERS = TEXT.replace("storm", "fire").replace("flood", "panic")


def made(text: str, head: str, tail: str, name: str = "mine-1") -> Sample:
    spans = [Entity(text.index(word), text.index(word) + len(word)) for word in (head, tail)]
    return Sample(name, text, *spans, "x")


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (made("Ann lives in Bern.", "Ann", "Bern", name="test-1"), "id"),
        (made(TEXT.upper().replace(".", " !"), "STORM", "FLOOD"), "sentence"),
        # other entities are a repetition as well
        (made(TEXT, "mill", "river"), "sentence"),
        (made(f"Ann lives in Bern. {TEXT}", "Ann", "mill"), "sentence"),
        (made(OTHERS, "fire", "panic"), "near_copy"),
        (made("Ann lives in Bern.", "Ann", "Bern"), None),
        (made("A storm caused a flood.", "storm", "flood"), None),
    ],
)  # fmt: skip
def test_the_reasons(sample: Sample, reason: str | None) -> None:
    assert Exclusion([made(TEXT, "storm", "flood", name="test-1")]).reason(sample) == reason


def test_near_copies_can_be_allowed_and_nothing_excludes_nothing() -> None:
    near = made(TEXT.replace("storm", "fire"), "fire", "flood")
    excluded = [made(TEXT, "storm", "flood", name="test-1")]
    assert Exclusion(excluded, None).reason(near) is None
    assert Exclusion(excluded, 0.99).reason(near) == "near_copy"  # equal words around the entities
    assert Exclusion([]).reason(near) is None
