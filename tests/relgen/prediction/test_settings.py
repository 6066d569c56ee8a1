"""The options of `relgen predict`."""

import pytest

from relgen.common.errors import InputError
from relgen.prediction.settings import PredictOptions


def options(**given):
    return PredictOptions(model="m", input="i", **given)


@pytest.mark.parametrize(("given", "kept"), [("0.5", 0.5), (1, 1.0), ("saved", "saved")])
def test_a_threshold_is_a_probability_or_saved(given, kept):
    assert options(threshold=given).threshold == kept


@pytest.mark.parametrize(
    "given", [{"threshold": 1.5}, {"threshold": "own"}, {"coverage": "0.7"}, {"window": 0}]
)
def test_other_values_are_refused(given):
    with pytest.raises(InputError, match=f"field '{next(iter(given))}': must be"):
        options(**given)
