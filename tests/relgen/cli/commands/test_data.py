"""`relgen data`: what each action writes, says and refuses."""

import json
import math
import subprocess
import sys
import tracemalloc

import pytest
from datasets import load_dataset

from relgen.cli import main
from relgen.common.errors import InputError
from relgen.common.files import content_hash, read_json
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import normalised, read_samples, write_samples
from relgen.data.schema import load_schema

RECORD = '8\t"<e1>People</e1> moved <e2>downtown</e2>."\nEntity-Destination(e1,e2)\nComment:\n\n'


def run(*arguments: object) -> None:
    main.run(["data", *map(str, arguments)])


@pytest.fixture
def semeval(tmp_path):
    path = tmp_path / "TRAIN_FILE.TXT"
    path.write_text(RECORD + RECORD.replace("8\t", "9\t", 1))
    return path


def test_convert_writes_samples_and_says_where(tmp_path, semeval, capsys):
    out = tmp_path / "new" / "samples.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out)
    assert [s.id for s in read_samples(out)] == ["semeval-train-8", "semeval-train-9"]
    assert capsys.readouterr().out == f"2 samples of 1 relations -> {out}\n"


def test_convert_applies_a_patch(tmp_path, semeval, capsys):
    patch = tmp_path / "patch.json"
    patch.write_text('{"semeval-train-9": "Other", "semeval-train-10": "Other"}')
    out = tmp_path / "s.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out, "--labels", patch)
    assert [s.relation for s in read_samples(out)] == ["Entity-Destination(e1,e2)", "Other"]
    assert "1 of the patch's 2 labels applied" in capsys.readouterr().out


def test_convert_finds_corpora_below_relgen_data(tmp_path, semeval, monkeypatch):
    monkeypatch.setenv("RELGEN_DATA", str(tmp_path))
    run("convert", "--format", "semeval", "TRAIN_FILE.TXT", "--out", tmp_path / "s.jsonl")
    assert len(read_samples(tmp_path / "s.jsonl")) == 2


def test_a_failed_conversion_leaves_the_old_file(tmp_path, semeval, capsys):
    out = tmp_path / "s.jsonl"
    run("convert", "--format", "semeval", semeval, "--out", out)
    before = out.read_bytes()
    semeval.write_text(RECORD + "junk\n\n" + RECORD.replace("8\t", "9\t", 1))
    with pytest.raises(InputError, match=r"TRAIN_FILE\.TXT:5: .*'junk'"):
        run("convert", "--format", "semeval", semeval, "--out", out)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["TRAIN_FILE.TXT", "s.jsonl"]
    run("convert", "--format", "semeval", semeval, "--out", out, "--skip-bad")
    assert "1 malformed records left out, the first:" in capsys.readouterr().out


def test_convert_reads_every_format(tmp_path):
    (sample, *_) = read_split("train")
    write_samples(tmp_path / "a.jsonl", [sample])
    run("convert", "--format", "jsonl", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl")
    assert read_samples(tmp_path / "b.jsonl") == [sample]

    tokens = ["Ann", "in", "Bern"]
    row = {"token": tokens, "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}, "relation": "r"}
    (tmp_path / "o.txt").write_text(json.dumps(row))
    run("convert", "--format", "opennre", tmp_path / "o.txt", "--out", tmp_path / "o.jsonl")
    record = {"tokens": tokens, "h": ["ann", "Q1", [[0], [1]]], "t": ["bern", "Q2", [[2]]]}
    (tmp_path / "f.json").write_text(json.dumps({"r": [record]}))
    fewrel = ("convert", "--format", "fewrel", tmp_path / "f.json", "--out", tmp_path / "f.jsonl")
    run(*fewrel)
    for name in ("o", "f"):
        (read,) = read_samples(tmp_path / f"{name}.jsonl")
        assert (read.text, read.head_text, read.tail_text) == ("Ann in Bern", "Ann", "Bern")
    run(*fewrel, "--mentions", "all")
    assert len(read_samples(tmp_path / "f.jsonl")) == 2

    (tmp_path / "h.jsonl").write_text('{"s": "<e1>Ann</e1> in <e2>Bern</e2>", "relation": "r"}\n')
    hub = ("convert", "--format", "hub", tmp_path / "h.jsonl", "--out", tmp_path / "h2.jsonl")
    run(*hub, "--columns", "text=s", "--split-name", "val")
    assert read_samples(tmp_path / "h2.jsonl")[0].id == "h-val-1"


def test_columns_are_for_the_hub_only(tmp_path, semeval):
    arguments = ("convert", "--format", "semeval", semeval, "--out", tmp_path / "s.jsonl")
    with pytest.raises(InputError, match="only --format hub has columns"):
        run(*arguments, "--columns", "text=a")
    with pytest.raises(InputError, match=r"is not KEY=VALUE \(got 'text'\)"):
        run(*arguments, "--columns", "text")


def test_convert_keeps_memory_flat(tmp_path, monkeypatch):
    # the progress display would be counted as well, on a machine slow enough to show it
    monkeypatch.setattr("relgen.common.progress.QUIET_SECONDS", math.inf)
    row = {"token": ["Ann", "in", "Bern"] * 10, "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}}
    line = json.dumps({**row, "relation": "r"}) + "\n"
    peaks = []
    for count in (500, 5000):
        (tmp_path / "o.txt").write_text(line * count)
        tracemalloc.start()
        run("convert", "--format", "opennre", tmp_path / "o.txt", "--out", tmp_path / "o.jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


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
    content = _manifest(out)
    assert content["ids"] == {"train": [s.id for s in train], "dev": [s.id for s in dev]}
    assert content["source"] == {"file": "pool.jsonl", "sha256": content_hash(pool)}
    assert (content["shots"], content["seed"], content["dev"]) == (4, 3, "K")
    assert capsys.readouterr().out == f"36 training and 36 development samples -> {out}\n"


def test_split_again_gives_the_same_bytes_and_no_stale_dev(tmp_path):
    pool, out = tmp_path / "pool.jsonl", tmp_path / "k4"
    write_samples(pool, read_split("train"))
    run("split", pool, "--shots", 4, "--out", out)
    before = content_hash(out)
    run("split", pool, "--shots", 4, "--out", out)
    assert content_hash(out) == before
    run("split", pool, "--shots", 4, "--dev", "none", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "train.jsonl"]


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
    assert [other["file"] for other in _manifest(out)["others"]] == ["dev.jsonl", "test.jsonl"]


def test_split_warns_of_small_relations_and_refuses_too_many_shots(tmp_path, capsys):
    samples = [s for s in read_split("train") if s.relation != "causes"] + read_split("train")[:1]
    write_samples(tmp_path / "pool.jsonl", samples)
    run("split", tmp_path / "pool.jsonl", "--shots", 8, "--out", tmp_path / "out")
    warning = "causes: only 1 of 8 training samples"
    assert f"warning: {warning}\n" in capsys.readouterr().err
    assert _manifest(tmp_path / "out")["warnings"] == [warning]
    with pytest.raises(InputError, match="too many: the largest relation"):
        run("split", tmp_path / "pool.jsonl", "--shots", 25, "--out", tmp_path / "out")


def test_everyday_writes_the_corpus_its_schema_and_its_card(tmp_path):
    run("everyday", "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "dev.jsonl",
        "schema.yaml",
        "test.jsonl",
        "train.jsonl",
    ]
    assert read_samples(tmp_path / "test.jsonl") == read_split("test")
    assert load_schema(tmp_path / "schema.yaml") == load_schema("everyday")


def test_the_everyday_folder_loads_with_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    run("everyday", "--out", tmp_path / "everyday")
    table = load_dataset(str(tmp_path / "everyday"))
    assert {name: len(part) for name, part in table.items()} == {
        "train": 216,
        "validation": 72,
        "test": 216,
    }


def test_card_gathers_generated_samples(tmp_path, capsys):
    sample = read_split("train")[0].to_json()
    for name in ("a", "b"):
        row = {**sample, "id": name, "source": "generated"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    run(
        *("card", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--schema", "everyday"),
        *("--license", "cc0-1.0", "--title", "Mine", "--out", tmp_path / "out"),
    )
    assert len(read_samples(tmp_path / "out" / "train.jsonl")) == 2
    assert "# Mine" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "2 samples of 1 relations and a card" in capsys.readouterr().out


@pytest.mark.processes
def test_the_actions_load_nothing_heavy(tmp_path, semeval):
    tacred, descriptions = tmp_path / "train.json", tmp_path / "pid2name.json"
    spans = {"subj_start": 0, "subj_end": 0, "obj_start": 2, "obj_end": 2}
    row = {"id": "a", "token": ["Ann", "in", "Bern"], **spans, "relation": "r"}
    tacred.write_text(json.dumps([row]))
    descriptions.write_text('{"P1": ["a", "b"], "P2": ["c", "d"]}')
    code = f"""
import sys
from relgen.cli import main
def run(*arguments):
    main.run(["data", *arguments])
run("convert", "--format", "semeval", {str(semeval)!r}, "--out", {str(tmp_path / "s.jsonl")!r})
run("everyday", "--out", {str(tmp_path / "e")!r})
run("split", {str(tmp_path / "e" / "train.jsonl")!r}, "--shots", "2", "--out", {str(tmp_path)!r})
run("convert", "--format", "tacred", {str(tacred)!r}, "--out", {str(tmp_path / "t.jsonl")!r})
run("schema", {str(descriptions)!r}, "--out", {str(tmp_path / "schema.yaml")!r})
heavy = {{"torch", "datasets", "transformers", "lightning", "pandas", "rich"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
