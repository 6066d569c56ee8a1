"""Output files: recognised by their hash; merged shards are the undivided generation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.data.samples import read_samples
from relgen.generation.files.outputs import OutputPaths, total_counts
from relgen.generation.run import generate, merge_shards
from relgen.generation.settings import GenerationSettings
from tests import tiny
from tests.relgen.generation.conftest import Inputs
from tests.relgen.generation.loopback import loopback


def test_a_finished_generation_is_recognised_by_its_hash(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path / "generated.jsonl")
    assert not paths.finished("h", force=False)
    paths.write(tiny.labelled()[:1], [{"reason": "too_long"}], {"hash": "h"})
    assert json.loads(paths.rejected.read_text()) == {"reason": "too_long"}
    assert paths.finished("h", force=False)
    with pytest.raises(InputError, match="or --force to replace it"):
        paths.finished("other", force=False)
    assert not paths.finished("other", force=True)
    assert not paths.generated.exists()


def test_files_of_others_stay_beside_a_journal(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path / "generated.jsonl")
    paths.journal.write_text('{"header": "h"}\n')
    for path in (paths.generated, paths.rejected, paths.summary):
        path.write_text("mine")
        for force in (False, True):
            with pytest.raises(InputError, match="`relgen generate` has not written it"):
                paths.finished("h", force=force)
        assert path.read_text() == "mine"
        path.unlink()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder"):
        OutputPaths(tmp_path).finished("h", force=True)


def test_counts_add_up() -> None:
    found = total_counts(
        {
            "a": {"accepted": 1, "tokens": 20, "rejected": {"duplicate": 2}},
            "b": {"accepted": 3, "tokens": 5, "rejected": {"duplicate": 1, "too_long": 4}},
        },
        1.23456,
    )
    del found["relations"]
    assert found == {
        "accepted": 4,
        "rejected": {"duplicate": 3, "too_long": 4},
        "seconds": 1.235,
        "tokens": 25,
    }


def settings(url: str, **changes: Any) -> GenerationSettings:
    values = {"model": "served", "samples": 4, "chains": 2, "min_words": 1, **changes}
    return GenerationSettings(backend="openai", server={"base_url": url, "retries": 0}, **values)


def files(inputs: Inputs, out: Path) -> dict[str, Path]:
    return {"train": inputs.train, "schema": inputs.schema, "out": out / "generated.jsonl"}


def by_id(path: Path) -> dict[str, str]:
    return {sample.id: sample.text for sample in read_samples(path)}


def test_the_parts_are_the_whole(inputs: Inputs, tmp_path: Path) -> None:
    with loopback() as server:
        generate(settings(server.url), **files(inputs, tmp_path / "whole"))
        for part in ("2/2", "1/2"):
            generate(settings(server.url, shard=part), **files(inputs, tmp_path / "parts"))
        summary = merge_shards(settings(server.url), 2, **files(inputs, tmp_path / "parts"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert by_id(parts / "generated.jsonl") == by_id(whole / "generated.jsonl")
    expected = json.loads((whole / "generation.json").read_text())
    assert summary.pop("shards") == 2
    # in another order
    assert summary.pop("files").keys() == expected.pop("files").keys()
    assert {**summary, "seconds": 0} == {**expected, "seconds": 0}
    before = (parts / "generated.jsonl").read_bytes()
    assert merge_shards(settings("http://x/v1"), 2, **files(inputs, parts))["accepted"] == 8
    assert (parts / "generated.jsonl").read_bytes() == before


def test_a_sentence_of_two_parts_stays_in_the_first(inputs: Inputs, tmp_path: Path) -> None:
    text = "The <head>stone</head> moved the <tail>glass</tail> away."
    with loopback(write=lambda body: text) as server:
        for part in ("1/2", "2/2"):
            generate(settings(server.url, shard=part), **files(inputs, tmp_path))
        summary = merge_shards(settings(server.url), 2, **files(inputs, tmp_path))
    (kept,) = read_samples(tmp_path / "generated.jsonl")
    first, second = summary["relations"].values()
    assert kept.relation == next(iter(summary["relations"]))
    assert (first["accepted"], second["accepted"], summary["accepted"]) == (1, 0, 1)
    for entry in (first, second):
        assert entry["drafts"] == entry["accepted"] + sum(entry["rejected"].values())
    rejected = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert len(rejected) == sum(summary["rejected"].values())


def test_what_is_missing_is_named(
    inputs: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with loopback() as server:
        generate(settings(server.url, shard="1/2"), **files(inputs, tmp_path))
        with pytest.raises(InputError, match=r"shard 2/2 is not finished.*--shard 2/2"):
            merge_shards(settings(server.url), 2, **files(inputs, tmp_path))
        with pytest.raises(InputError, match="shard 1/2 was written with other settings"):
            merge_shards(settings(server.url, seed=5), 2, **files(inputs, tmp_path))
        with pytest.raises(InputError, match="only 2 relations to generate for"):
            generate(settings(server.url, shard="1/3"), **files(inputs, tmp_path))
    line = [
        *("generate", "--train", str(inputs.train), "--schema", str(inputs.schema)),
        *("--out", str(tmp_path / "generated.jsonl"), "--merge", "2", "--shard", "1/2"),
    ]
    assert main(line) == 2
    assert "cannot be combined with --shard" in capsys.readouterr().err
