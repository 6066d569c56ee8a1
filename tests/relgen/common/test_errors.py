"""Messages of errors."""

from __future__ import annotations

from relgen.common.errors import InputError


def test_input_errors_name_everything() -> None:
    error = InputError("wrong", path="a.jsonl", line=3, field="head", value=7, remedy="mend it")
    assert str(error) == "a.jsonl:3: field 'head': wrong (got 7); mend it"
    assert len(str(InputError("long", value="x" * 500))) < 120
