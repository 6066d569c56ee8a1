"""Tagged text as a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("tagged")


GOOD = "# by hand\nfounded_by\t<tail>Ann</tail> started <head:ORG>Acme</head>.\r\n\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "train.tsv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_reads_labels_tags_and_types(tmp_path: Path) -> None:
    assert list(read(written(tmp_path, GOOD))) == [
        Sample("train-2", "Ann started Acme.", Entity(12, 16, "ORG"), Entity(0, 3), "founded_by")
    ]
    assert next(read(written(tmp_path, GOOD), split_name="dev")).id == "dev-2"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("founded_by <head>A</head> <tail>B</tail>", "train.tsv:4: no label and tab"),
        (
            "founded_by\t<head>A</head> alone",
            "train.tsv:4: field 'sentence': the tags cannot be parsed",
        ),
        ("\t<head>A</head> <tail>B</tail>", "train.tsv:4: no label and tab"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, GOOD + line + "\n")
    with pytest.raises(InputError) as caught:
        list(read(path))
    assert message in str(caught.value)
    assert "write: label, a tab" in str(caught.value)
    checks = RecordChecks(path, skip_bad=True)
    assert len(list(read(path, checks=checks))) == 1
    assert checks.skipped == 1
