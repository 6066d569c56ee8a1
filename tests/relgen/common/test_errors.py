"""Messages of errors."""

from __future__ import annotations

from relgen.common.errors import InputError


def test_input_errors_name_everything() -> None:
    error = InputError("wrong", path="a.jsonl", line=3, field="head", value=7, remedy="mend it")
    assert str(error) == "a.jsonl:3: field 'head': wrong (got 7); mend it"


def test_a_long_value_loses_its_middle() -> None:
    path = "/".join(["/data", *["folder"] * 20, "train.jsonl"])
    assert path in str(InputError("no such file", value=path))
    shown = str(InputError("no such file", value="/start/" + "folder/" * 60 + "train.jsonl"))
    assert len(shown) < 220
    assert "'/start/folder" in shown
    assert shown.endswith("folder/train.jsonl')")
