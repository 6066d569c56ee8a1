"""Where in a YAML file a key stands."""

from pathlib import Path

import pytest

from relgen.common import yaml_files
from relgen.common.errors import InputError
from relgen.common.yaml_files import key_line, located, read_yaml

TEXT = """# a comment
corpus: everyday
generator:
  model: x
  samples: 8
relations:
  Cause-Effect(e1,e2): {explanation: y}
  a.b:
    head_types: 7
cells:
  - {shots: 8}
  - shots: 16
    generator: {samples: 4}
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("corpus", 2),
        ("generator.samples", 5),
        ("generator.nothing", 3),
        ("relations.Cause-Effect(e1,e2).explanation", 7),
        ("relations.a.b.head_types", 9),
        ("cells", 10),
        ("cells[0].shots", 11),
        ("cells[1]", 12),
        ("cells[1].generator.samples", 13),
        ("cells[7].shots", 10),
        ("nothing", None),
        (None, None),
    ],
)
def test_lines(tmp_path: Path, field: str | None, line: int | None) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert key_line(path, field) == line


def test_an_error_gets_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT, encoding="utf-8")
    found = located(InputError("too many", field="generator.samples", value=8), path)
    assert str(found) == f"{path}:5: field 'generator.samples': too many (got 8)"
    assert found.field == "generator.samples"
    assert str(located(InputError("empty"), path)) == f"{path}: empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", r"x\.yaml:2: not valid YAML: the key 'a' is given twice"),
        (
            "? [a]\n: 3\n",
            r"x\.yaml:1: not valid YAML: a key must be a word or a number",
        ),
    ],
)
def test_keys_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_yaml(path)


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases that grow too large"),
        ("&a [*a]", "an alias that contains itself"),
        ("a: &a\n  b: *a", "an alias that contains itself"),
        ("[" * 100_000, "nested too deep"),
        ("{a: " * 70, "nested too deep"),
        (f"a: {'9' * 5_000}", "a whole number of more than 64 bits"),
        (f"a: 0x{'f' * 3_000}", "a whole number of more than 64 bits"),
        ("b: 1\na: [2001-99-99]", r"x\.yaml:2: .*a value cannot be read: month must be in 1..12"),
        ("!!bool maybe", "a value cannot be read"),
        ("? [a]\n: b", "a key must be a word or a number"),
        ("? {a: b}\n: c", "a key must be a word or a number"),
        ("!!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: \x1b[0m", "special characters are not allowed"),
        ('a: "\\x1b[0m"', "an unprintable character"),
        ("x" * (10 * 2**20 + 1), "more than 10 MiB"),
        (f"[{'1,' * 5_001}]", "more than 5,000 keys and values"),
    ],
    ids=range(16),
)
def test_hostile_yaml_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(yaml_files, "_MOST_NODES", 5_000)  # of 100,000: a second each
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_anchors_and_merged_keys_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", encoding="utf-8")
    assert read_yaml(path) == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}
