"""The limits of a server, as options."""

from __future__ import annotations

import pytest

from relgen.cli.commands.serve import Options
from relgen.common.command_lines import parse_options
from relgen.common.errors import InputError
from relgen.deployment.limits import Limits


def test_limits_are_options_above_zero() -> None:
    options = parse_options(Options, "serve", ["m", "--limits-queue", "9"])
    assert options is not None
    assert options.limits == Limits(queue=9)
    with pytest.raises(InputError, match="above 0"):
        parse_options(Options, "serve", ["m", "--limits-queue", "0"])
