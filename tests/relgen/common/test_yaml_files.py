"""Where in a YAML file a key stands."""

from pathlib import Path

import pytest

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
