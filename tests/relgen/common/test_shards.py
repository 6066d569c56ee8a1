"""A corpus in shards: what is found, done, left alone and refused."""

import json
import re

import pytest

from relgen.common.errors import InputError
from relgen.common.shards import ShardOptions, ShardWork, find_shards, run_shards, write_total


@pytest.fixture
def corpus(tmp_path):
    """A folder with two shards, one of them in a folder, and files that are none."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.parquet", "deep/a.jsonl", "README.md", ".hidden.jsonl", "_state.jsonl"):
        (folder / name).write_text(name)
    return folder


def upper(shard):
    text = shard.source.read_text()
    if text == "bad":
        raise InputError("cannot be read", path=shard.source)
    shard.out.parent.mkdir(parents=True, exist_ok=True)
    shard.out.write_text(text.upper())
    return {"length": len(text)}


def run(shards, out, key="k", process=upper, made=None, **given):
    """Return the lengths that are found; `made` gets a line whenever a model would be loaded."""

    def make():
        (made if made is not None else []).append("loaded")
        return process

    work = ShardWork("shout", key, make)
    return [found["length"] for found in run_shards(work, shards, out, ShardOptions(), **given)]


def test_shards_of_a_folder_and_of_a_glob(corpus, tmp_path):
    shards = find_shards(corpus, tmp_path / "out")
    assert [str(s.out.relative_to(tmp_path)) for s in shards] == [
        "out/b.parquet",
        "out/deep/a.jsonl",
    ]
    assert shards[1].summary == tmp_path / "out" / "_shards" / "deep" / "a.json"
    assert shards[1].aside("uncertain") == tmp_path / "out" / "_uncertain" / "deep" / "a.jsonl"
    found = find_shards(f"{corpus}/*.md", tmp_path / "out")  # whatever it ends in
    assert [s.out.name for s in found] == ["README.jsonl"]
    found = find_shards(f"{corpus}/**/*.jsonl", tmp_path / "out")
    assert [str(s.name) for s in found] == ["deep/a.jsonl"]
    assert find_shards(corpus / "b.parquet", None) is None
    assert find_shards(tmp_path / "no such file", None) is None


def test_a_file_may_have_the_name_of_a_glob(tmp_path):
    (tmp_path / "a[1].jsonl").write_text("")
    assert find_shards(tmp_path / "a[1].jsonl", None) is None


def test_what_cannot_be_done_is_said(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for given, out, said in (
        (tmp_path / "empty", "out", "no shards here; give a folder of files that end in .jsonl or"),
        (f"{corpus}/*.csv", "out", "no shards here"),
        (corpus, None, "'--out': a corpus in shards needs a folder"),
        (corpus, tmp_path / "file", "must be a folder"),
        (corpus, corpus / "out", "this is in the folder of the input"),
        (corpus, corpus, "this is in the folder of the input"),
    ):
        with pytest.raises(InputError, match=said):
            find_shards(given, out)
    (corpus / "b.jsonl").write_text("")
    with pytest.raises(InputError, match=r"b.parquet: would be the same shard as .*b.jsonl"):
        find_shards(corpus, tmp_path / "out")


def test_finished_shards_are_not_done_again(corpus, tmp_path):
    out, made = tmp_path / "out", []
    shards = find_shards(corpus, out)
    assert run(shards, out, made=made) == [9, 12]
    assert (out / "deep" / "a.jsonl").read_text() == "DEEP/A.JSONL"
    assert json.loads(shards[1].summary.read_text())["length"] == 12
    write_total(out, {"command": "shout", "length": 21})
    assert run(shards, out, made=made) == [9, 12]
    assert made == ["loaded"]  # once for all shards, and not where nothing is to be done

    seen = []
    shards[0].source.write_text("changed")
    shards[1].out.unlink()
    assert run(shards, out, process=lambda s: seen.append(s.name.name) or upper(s)) == [7, 12]
    assert seen == ["b.parquet", "a.jsonl"]
    with pytest.raises(
        InputError, match="other settings or inputs; give another --out, or --force"
    ):
        run(shards, out, key="other")
    forced = ShardOptions(force=True)
    work = ShardWork("shout", "other", lambda: lambda shard: {"length": 0})
    assert [found["length"] for found in run_shards(work, shards, out, forced)] == [0, 0]


def test_a_killed_run_leaves_whole_shards_and_goes_on(corpus, tmp_path):
    out = tmp_path / "out"
    shards = find_shards(corpus, out)

    def killed(shard):
        if shard.name.name == "a.jsonl":
            (shard.out.parent).mkdir(parents=True)
            shard.out.with_name(".a.jsonl.x1y2z3_4.tmp").write_text("half")
            raise KeyboardInterrupt
        return upper(shard)

    with pytest.raises(KeyboardInterrupt):
        run(shards, out, process=killed)
    seen = []
    assert run(shards, out, process=lambda s: seen.append(s.name.name) or upper(s)) == [9, 12]
    assert seen == ["a.jsonl"]
    assert list(out.rglob(".*")) == []


def test_only_what_it_has_written_is_replaced_or_removed(corpus, tmp_path):
    out = tmp_path / "out"
    shards = find_shards(corpus, out)
    assert run(shards, out) == [9, 12]
    notes = out / ".notes.tmp"
    notes.write_text("mine")
    (out / "b.parquet").write_text("of somebody else")
    shards[0].source.write_text("changed")
    with pytest.raises(InputError, match=r"b.parquet: .*`relgen shout` has not written it"):
        run(shards, out)
    assert (notes.read_text(), shards[0].out.read_text()) == ("mine", "of somebody else")
    for content in ("[1]", "notes"):
        (out / "_summary.json").write_text(content)
        with pytest.raises(InputError, match="files that `relgen shout` has not written"):
            run(shards, out)


def test_no_other_input_is_in_the_folder(corpus, tmp_path):
    out = tmp_path / "out"
    shards = find_shards(corpus, out)
    assert run(shards, out) == [9, 12]
    for train in (out / "b.parquet", out / "deep" / "a.jsonl", out / "_shards" / "b.json", out):
        with pytest.raises(InputError, match="input of the command"):
            run(shards, out, key="other", inputs=[train])
    (tmp_path / "linked").hardlink_to(out / "b.parquet")
    with pytest.raises(InputError, match=r"b.parquet: this is an input of the command"):
        run(shards, out, key="other", inputs=[tmp_path / "linked"])


def test_a_bad_shard_does_not_stop_the_others(corpus, tmp_path):
    shards = find_shards(corpus, tmp_path / "out")
    shards[0].source.write_text("bad")
    with pytest.raises(InputError, match=r"b.parquet: cannot be read"):
        run(shards, tmp_path / "out")
    assert shards[1].out.is_file()
    assert not shards[0].out.exists()


def test_folders_of_others_and_of_other_inputs_are_left_alone(corpus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    said = "holds files that `relgen shout` has not written; choose another --out"
    with pytest.raises(InputError, match=said):
        run(find_shards(corpus, out), out)
    (out / "notes.txt").unlink()
    run(find_shards(corpus, out), out)
    (corpus / "b.parquet").rename(corpus / "c.parquet")
    said = re.escape("holds the shard of another input (got 'b')")
    with pytest.raises(InputError, match=said):
        run(find_shards(corpus, out), out)


def test_workers_are_those_of_a_cluster():
    with pytest.raises(InputError, match="'--workers': needs --engine ray"):
        ShardOptions(workers=2)
    assert ShardOptions(engine="ray", workers=2).workers == 2
