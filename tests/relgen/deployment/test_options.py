"""Options of a server."""

from __future__ import annotations

from dataclasses import fields

import pytest

from relgen.common.command_lines import parse_options
from relgen.common.errors import InputError
from relgen.deployment.options import ServeOptions, ServerLimits
from relgen.prediction.settings import PredictOptions

pytestmark = pytest.mark.compute

_SHARED = ("model", "threshold", "abstain", "entities", "types", "window", "precision", "device")


def test_limits_are_options_above_zero() -> None:
    options = parse_options(ServeOptions, "serve", ["m", "--limits-queue", "9"])
    assert options is not None
    assert options.limits == ServerLimits(queue=9)
    with pytest.raises(InputError, match="above 0"):
        parse_options(ServeOptions, "serve", ["m", "--limits-queue", "0"])


def test_options_of_predict_mean_the_same() -> None:
    shared = {entry.name: entry for entry in fields(PredictOptions)}
    for entry in fields(ServeOptions):
        if entry.name in _SHARED:
            assert (entry.type, entry.default) == (
                shared[entry.name].type,
                shared[entry.name].default,
            )
