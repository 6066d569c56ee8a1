"""A corpus on a Ray cluster of two machines, of which a worker, or a whole one, is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from pyarrow import parquet

from relgen.common.shards import Process, Shard, ShardWork, find_shards, run_shards
from relgen.data.samples import Sample, write_samples
from relgen.labelling.run import label
from relgen.labelling.settings import LabelSettings
from relgen.prediction.run import predict, shard_work
from relgen.prediction.settings import PredictOptions
from tests.relgen.prediction.firms import save_firms
from tests.tiny.encoders import samples
from tests.tiny.experiments import tiny_corpus

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = [pytest.mark.slow, pytest.mark.processes]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start a cluster of two machines with one CPU each, beside a head that computes nothing."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    store = {"object_store_memory": 100 * 2**20}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    for _ in range(2):
        started.add_node(num_cpus=1, **store)
    ray.init(address=started.address, log_to_driver=False)
    yield
    ray.shutdown()
    started.shutdown()


@dataclass
class Killed:
    """Makes a process that is killed in the middle of one shard, the first time."""

    make: Callable[[], Process]
    mark: Path
    machine: bool

    def __call__(self) -> Process:
        return partial(self.process, self.make())

    def process(self, process: Process, shard: Shard) -> dict[str, Any]:
        if shard.name.stem == "part-3" and not self.mark.exists():
            shard.out.with_name(f".{shard.name}.halfdone.tmp").write_text("half")
            self.mark.touch()
            os.kill(os.getppid() if self.machine else os.getpid(), signal.SIGKILL)
            signal.pause()  # until the machine's death is noticed
        return process(shard)


def shards(folder: Path, given: list[Sample], number: int) -> str:
    """Write samples as shards of Parquet; return the folder."""
    folder.mkdir()
    for n in range(number):
        part = [one.to_json() for one in given[n::number]]
        Dataset.from_list(part).to_parquet(folder / f"part-{n}.parquet")
    return str(folder)


def rows(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.parquet"))
    return [row for file in files for row in parquet.read_table(file).to_pylist()]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("machine", [False, True], ids=["worker", "machine"])
def test_no_sentence_is_lost_or_twice_when_one_is_killed(tmp_path: Path, machine: bool) -> None:
    given, mark = shards(tmp_path / "in", samples(96), 8), tmp_path / "killed"
    local = PredictOptions(model=save_firms(tmp_path), input=given, out=str(tmp_path / "local"))
    whole = predict(local)
    out = tmp_path / "ray"
    options = replace(local, out=str(out), engine="ray", workers=2)
    work = shard_work(options)
    dying = ShardWork(work.command, work.key, Killed(work.make, mark, machine))
    found = list(run_shards(dying, find_shards(given, out), out, options))
    assert mark.exists()
    assert sum(one["pairs"] for one in found) == whole["pairs"] == 96
    expected = rows(tmp_path / "local")
    assert [row["id"] for row in rows(out)] == [row["id"] for row in expected]
    for row, other in zip(rows(out), expected, strict=True):
        assert row == {**other, "probability": pytest.approx(other["probability"], abs=1e-5)}
    assert not list(out.rglob(".*"))
    # the command itself finds that all is done
    before = {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")}
    summary = predict(options)
    assert (summary["pairs"], summary["relations"]) == (96, whole["relations"])
    assert {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")} == before


@pytest.mark.usefixtures("cluster")
def test_labels_are_those_of_one_process(tmp_path: Path) -> None:
    corpus, llama, _ = tiny_corpus(tmp_path)
    from relgen.data.samples import read_samples

    given = shards(tmp_path / "in", read_samples(corpus["test"]), 4)
    write_samples(tmp_path / "few.jsonl", read_samples(corpus["train"])[::8])
    asked = {"generated": [given], "train": tmp_path / "few.jsonl", "schema": corpus["schema"]}
    settings = LabelSettings(model=llama)
    whole = label(settings, out=tmp_path / "local", **asked)
    options = PredictOptions(model="", input="", engine="ray", workers=2)
    summary = label(settings, out=tmp_path / "ray", options=options, **asked)
    assert summary == whole
    found, expected = rows(tmp_path / "ray"), rows(tmp_path / "local")
    assert [(r["id"], r["relation"]) for r in found] == [(r["id"], r["relation"]) for r in expected]
    assert json.loads((tmp_path / "ray" / "_summary.json").read_text()) == whole


@pytest.mark.usefixtures("cluster")
def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    given = shards(tmp_path / "in", samples(8), 2)
    (tmp_path / "in" / "part-1.parquet").write_text("no Parquet")
    options = PredictOptions(
        model=save_firms(tmp_path), input=given, out=str(tmp_path / "out"), engine="ray"
    )
    with pytest.raises(ValueError, match=r"part-1\.parquet: not a Parquet file"):
        predict(options)
    assert [row["id"] for row in rows(tmp_path / "out")] == [one.id for one in samples(8)[::2]]
