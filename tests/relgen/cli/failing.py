"""Commands that must fail."""

from __future__ import annotations

import pytest

from relgen.cli import main as cli


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs a command that must end with code 2 and one line; returns the line."""
    try:
        code = cli.main(arguments)
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err.strip()
