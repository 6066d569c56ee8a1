"""What files of samples begin with."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data import inputs
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import write_samples


def check(kind: Any, path: Path, **options: Any) -> None:
    kind.__metadata__[0](path, SimpleNamespace(**options))


def test_labels_are_those_of_the_schema(tmp_path: Path) -> None:
    write_samples(tmp_path / "train.jsonl", read_split("train")[:3])
    check(inputs.LabelledFile, tmp_path / "train.jsonl", schema="everyday")
    check(inputs.LabelledFile, tmp_path / "train.jsonl", schema=None)
    check(inputs.SamplesFile, tmp_path / "train.jsonl", schema="semeval")
    with pytest.raises(InputError, match="not a relation of schema 'semeval'"):
        check(inputs.LabelledFile, tmp_path / "train.jsonl", schema="semeval")


def test_a_mistake_far_below_is_left_to_the_command(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    write_samples(path, read_split("train"))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:100], "{"]), encoding="utf-8")
    check(inputs.LabelledFile, path, schema=None)
    path.write_text("\n".join([*lines[:99], "{"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"long\.jsonl:100: "):
        check(inputs.LabelledFile, path, schema=None)


def test_a_pipe_is_not_read_and_an_empty_file_may_stand_beside_others(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty.jsonl").touch()
    check(inputs.LabelledFile, tmp_path / "pipe", schema=None)
    check(inputs.SamplesFile, tmp_path / "pipe")
    check(inputs.SamplesFile, tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match="no records are in this file"):
        check(inputs.LabelledFile, tmp_path / "empty.jsonl", schema=None)


def test_a_folder_of_shards_stands_for_all_files(tmp_path: Path) -> None:
    folder, out = tmp_path / "corpus", str(tmp_path / "out")
    folder.mkdir()
    with pytest.raises(InputError, match="no shards here"):
        check(inputs.SamplesFile, folder, samples=[folder], out=out)
    (folder / "a.jsonl").touch()
    check(inputs.SamplesFile, folder, samples=[folder], out=out)
    with pytest.raises(InputError, match="this is a folder"):
        check(inputs.SamplesFile, folder, samples=[folder, folder], out=out)
