"""`relgen data split`: what it writes, says and refuses."""

import tracemalloc
from dataclasses import replace

import pytest

from relgen import __version__
from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.common.files import content_hash, read_json
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.data.schema import load_schema
from relgen.data.text import normalised
from tests.relgen.cli.commands.data_command import run
from tests.tiny.languages import corpus


def _manifest(folder):
    return read_json(folder / "manifest.json")


def test_split_writes_three_files(tmp_path, capsys):
    pool, out = tmp_path / "pool.jsonl", tmp_path / "k4"
    write_samples(pool, read_split("train"))
    run(
        "split", pool, "--shots", 4, "--seed", 3, "--dev", "K", "--schema", "everyday", "--out", out
    )
    train, dev = read_samples(out / "train.jsonl"), read_samples(out / "dev.jsonl")
    assert (len(train), len(dev)) == (36, 36)
    counts = dict.fromkeys((s.relation for s in train), 4)
    counted = {"train": counts, "dev": counts}
    assert _manifest(out) == {
        "relgen_version": __version__,
        "source": {"file": "pool.jsonl", "sha256": content_hash(pool)},
        "others": [],
        "shots": 4,
        "seed": 3,
        "dev": "K",
        "by": "sentence",
        "test": None,
        "counts": counted,
        "warnings": [],
        "ids": {"train": [s.id for s in train], "dev": [s.id for s in dev]},
        "files": {f"{name}.jsonl": content_hash(out / f"{name}.jsonl") for name in counted},
    }
    said, head, *rows = capsys.readouterr().out.splitlines()
    assert said == f"36 training and 36 development samples -> {out}"
    assert head.split() == ["train", "dev"]
    assert [row.split() for row in rows] == [
        ["4", "4", label] for label in load_schema("everyday").labels
    ]


def test_a_parquet_file_is_split_as_its_lines_are(tmp_path):
    for name in ("p.jsonl", "p.parquet"):
        write_samples(tmp_path / name, read_split("train"))
        run("split", tmp_path / name, "--shots", 4, "--test", 0.3, "--out", tmp_path / name[2:])
    for part in ("train", "dev", "test", "pool"):
        ours, theirs = (tmp_path / kind / f"{part}.jsonl" for kind in ("parquet", "jsonl"))
        assert ours.read_text() == theirs.read_text() != ""


def test_split_again_gives_the_same_bytes_and_no_stale_dev(tmp_path):
    pool, out = tmp_path / "pool.jsonl", tmp_path / "k4"
    write_samples(pool, read_split("train"))
    run("split", pool, "--shots", 4, "--out", out)
    before = content_hash(out)
    run("split", pool, "--shots", 4, "--out", out)
    assert content_hash(out) == before
    with pytest.raises(InputError, match=r"'dev': another split is here, with 'full' \(got 'none'"):
        run("split", pool, "--shots", 4, "--dev", "none", "--out", out)
    assert content_hash(out) == before
    run("split", pool, "--shots", 4, "--dev", "none", "--out", out, "--force")
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "train.jsonl"]


def test_a_development_set_of_somebody_stays(tmp_path, capsys):
    write_samples(tmp_path / "pool.jsonl", read_split("train"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dev.jsonl").write_text("mine")
    line = ["data", "split", str(tmp_path / "pool.jsonl"), "--shots", "2", "--dev", "none", "--out"]
    assert main([*line, str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'out/dev.jsonl'}: this file would be overwritten, and `relgen data split` "
        "has not written it; give another --out\n"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev.jsonl"]
    assert (tmp_path / "out/dev.jsonl").read_text() == "mine"


def test_split_holds_a_test_set_out(tmp_path, capsys):
    pool, out = tmp_path / "pool.jsonl", tmp_path / "k4"
    write_samples(pool, read_split("train"))
    run("split", pool, "--shots", 4, "--test", 0.2, "--out", out)
    parts = {name: read_samples(out / f"{name}.jsonl") for name in ("train", "dev", "test", "pool")}
    texts = {name: {normalised(s.text) for s in part} for name, part in parts.items()}
    assert not texts["test"] & texts["pool"]
    assert texts["train"] | texts["dev"] <= texts["pool"]
    assert _manifest(out)["ids"]["test"] == [s.id for s in parts["test"]]
    number, every = len(parts["test"]), len(read_split("train"))
    assert f", {number} of {every} held out for testing -> {out}\n" in capsys.readouterr().out
    # without a test set again, none is left behind
    run("split", pool, "--shots", 4, "--out", out, "--force")
    assert sorted(p.name for p in out.iterdir()) == ["dev.jsonl", "manifest.json", "train.jsonl"]


def test_split_excludes_a_test_set_and_takes_dev_from_elsewhere(tmp_path):
    samples = read_split("train")
    write_samples(tmp_path / "pool.jsonl", samples)
    write_samples(tmp_path / "test.jsonl", samples[:100])
    write_samples(tmp_path / "dev.jsonl", read_split("dev"))
    out = tmp_path / "out"
    run(
        *("split", tmp_path / "pool.jsonl", "--shots", 8, "--exclude", tmp_path / "test.jsonl"),
        *("--dev-from", tmp_path / "dev.jsonl", "--out", out),
    )
    test = {normalised(sample.text) for sample in samples[:100]}
    assert not test & {normalised(s.text) for s in read_samples(out / "train.jsonl")}
    assert len(read_samples(out / "dev.jsonl")) == 72
    assert _manifest(out)["others"] == [
        {"file": f"{name}.jsonl", "sha256": content_hash(tmp_path / f"{name}.jsonl")}
        for name in ("dev", "test")
    ]


def test_split_warns_of_small_relations_and_refuses_too_many_shots(tmp_path, capsys):
    samples = [s for s in read_split("train") if s.relation != "causes"] + read_split("train")[:1]
    write_samples(tmp_path / "pool.jsonl", samples)
    run("split", tmp_path / "pool.jsonl", "--shots", 8, "--out", tmp_path / "out")
    warnings = [
        "causes: only 1 of 8 training samples",
        "no sample of causes in the development set",
    ]
    assert capsys.readouterr().err == "".join(f"warning: {warning}\n" for warning in warnings)
    assert _manifest(tmp_path / "out")["warnings"] == warnings
    with pytest.raises(InputError, match="too many: the largest relation"):
        run("split", tmp_path / "pool.jsonl", "--shots", 25, "--out", tmp_path / "other")


def test_split_warns_of_several_languages(tmp_path, capsys):
    samples = [replace(s, id=f"{s.id}-de") for s in corpus("German")] + corpus("English")
    write_samples(tmp_path / "pool.jsonl", samples)
    run("split", tmp_path / "pool.jsonl", "--shots", 4, "--out", tmp_path / "out")
    warning = "the sentences are in several languages: German 10, English 10"
    assert f"warning: {warning}\n" in capsys.readouterr().err
    assert _manifest(tmp_path / "out")["warnings"] == [warning]


@pytest.mark.parametrize("options", [(), ("--test", 0.3), ("--dev", "K")])
def test_split_holds_no_sentences_in_memory(tmp_path, options):
    line = ("split", tmp_path / "pool.jsonl", "--shots", 2, *options, "--force")
    peaks = []
    for number in (300, 600):  # blocks of 1 MB are hashed
        samples = (
            Sample(
                str(n), f"Ann met Bob {f'{n:04}' * 1000}", Entity(0, 3), Entity(8, 11), "ab"[n % 2]
            )
            for n in range(number)
        )
        write_samples(tmp_path / "pool.jsonl", (s for s in samples))
        tracemalloc.start()
        run(*line, "--out", tmp_path / "out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 300 further sentences of 4 kB each; hold_out sorts by their words
    assert peaks[1] - peaks[0] < (3_000_000 if "--test" in options else 600_000)
