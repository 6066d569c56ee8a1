"""Atomic writes under failures, line reading, hashes."""

import errno
import gzip
import os
import select
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from relgen.common import files
from relgen.common.errors import InputError
from relgen.common.files import (
    atomic_folder,
    atomic_writer,
    content_hash,
    read_json,
    read_lines,
    read_text,
    text_hash,
    write_json,
    write_jsonl,
    write_text,
)
from tests.waiting import wait_until


def test_writing_makes_folders_and_leaves_no_temporary_file(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "x\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x\n"
    assert os.listdir(tmp_path / "a" / "b") == ["c.txt"]


def test_files_get_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def _no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_at_the_flush_leaves_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_disk_that_is_full_while_writing_leaves_no_file(tmp_path):
    def write():
        with atomic_writer(tmp_path / "a.txt") as stream:
            stream.write("half")
            _no_space()

    with pytest.raises(OSError, match="No space left"):
        write()
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_the_old_file(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_jsonl(tmp_path / "a.jsonl", rows())
    assert (tmp_path / "a.jsonl").read_text() == '{"a": 1}\n'
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_json_round_trip_keeps_characters(tmp_path):
    write_json(tmp_path / "a.json", {"ä": ["𝄞", None, 1.5]})
    assert read_json(tmp_path / "a.json") == {"ä": ["𝄞", None, 1.5]}
    assert "ä" in (tmp_path / "a.json").read_text("utf-8")


def test_unwanted_keys_are_left_out(tmp_path):
    write_json(tmp_path / "a.json", [{"id": "a", "pos": ["x"], "token": [1]}, {"pos": 2}, "pos"])
    assert read_json(tmp_path / "a.json", keep={"id", "token"}) == [
        {"id": "a", "token": [1]},
        {},
        "pos",
    ]


def test_jsonl_is_one_line_an_object_and_counted(tmp_path):
    assert write_jsonl(tmp_path / "a.jsonl", [{"t": "a\nb"}, {"t": "é"}]) == 2
    assert (tmp_path / "a.jsonl").read_text("utf-8") == '{"t": "a\\nb"}\n{"t": "é"}\n'


@pytest.mark.parametrize(("content", "line"), [("", 1), ('{\n"a": 1,\n}', 3), ("nope", 1)])
def test_json_errors_name_file_and_line(tmp_path, content, line):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"a\.json:{line}: not valid JSON.*correct or replace"):
        read_json(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: no such file; check the path"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(InputError, match="a folder, not a file"):
        read_text(tmp_path)


def test_bytes_that_are_not_utf_8_name_line_and_remedy(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("gut\nschön\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt:2: not UTF-8 at byte 3.*iconv -f ENC") as got:
        list(read_lines(path))
    assert got.value.line == 2
    (tmp_path / "a.csv").write_bytes("schön".encode("cp1252"))
    with pytest.raises(InputError, match=r"often windows-1252, or .*; in Excel, save as CSV"):
        read_text(tmp_path / "a.csv")


def test_what_is_no_text_is_named(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a"}\n'))
    with pytest.raises(InputError, match=r"this is no text but compressed: gunzip it first$"):
        read_text(path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "\n\n\xe9".encode("latin-1"))
    with pytest.raises(InputError, match="this is no text but a zip archive, as Excel and Word"):
        read_text(tmp_path / "a.zip")


def test_lines_end_at_line_feeds_only_and_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffa\u2028b\r\nc\x0cd\n".encode())
    assert list(read_lines(path)) == ["a\u2028b\r\n", "c\x0cd\n"]


def test_content_hash_depends_on_content_and_on_names_within_folders(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    write_text(tmp_path / "b.txt", "x")
    assert content_hash(tmp_path / "a.txt") == content_hash(tmp_path / "b.txt")
    with pytest.raises(InputError, match="no such file"):
        content_hash(tmp_path / "none")
    before = content_hash(tmp_path)
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    renamed = content_hash(tmp_path)
    assert before != renamed
    write_text(tmp_path / "c.txt", "y")
    assert len({before, renamed, content_hash(tmp_path)}) == 3


def test_text_hash_is_sha_256():
    assert text_hash("abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_files_of_a_folder_can_be_read_by_whom_the_umask_allows(tmp_path):
    with atomic_folder(tmp_path / "made", "weights") as folder:
        (folder / "weights").write_bytes(b"0")
        (folder / "weights").chmod(0o600)
    umask = os.umask(0o022)
    os.umask(umask)
    assert (tmp_path / "made/weights").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/notes.txt").write_text("mine")
    with (
        pytest.raises(InputError, match="weights is missing"),
        atomic_folder(tmp_path / "made", "weights"),
    ):
        pass
    assert (tmp_path / "made/notes.txt").read_text() == "mine"
    (tmp_path / "made/weights").write_text("ours")
    with atomic_folder(tmp_path / "made", "weights") as folder:
        (folder / "weights").write_text("new")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["weights"]


def test_a_kill_while_the_old_folder_is_deleted_leaves_a_whole_one(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/weights").write_text("old")

    def killed(path, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_folder(tmp_path / "made", "weights") as folder,
    ):
        (folder / "weights").write_text("new")
    assert (tmp_path / "made/weights").read_text() == "new"


def test_binary_content_is_replaced_as_a_whole(tmp_path):
    with atomic_writer(tmp_path / "a.bin", binary=True) as stream:
        stream.write(b"\r\n\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\r\n\xff"


def test_a_link_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/samples.jsonl").write_text("old")
    (tmp_path / "samples.jsonl").symlink_to(tmp_path / "elsewhere/samples.jsonl")
    write_text(tmp_path / "samples.jsonl", "new")
    assert (tmp_path / "samples.jsonl").is_symlink()
    assert (tmp_path / "elsewhere/samples.jsonl").read_text() == "new"


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        *(("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-16-le", "utf-16le")),
        *(("utf-16-be", "utf-16be"), ("utf-32-le", "utf-32le"), ("utf-32-be", "utf-32be")),
        *(("cp1252", "ENCODING"), ("gb18030", "ENCODING")),
    ],
)
def test_the_advice_for_another_encoding_is_true(tmp_path, encoding, named):
    path = tmp_path / "a.txt"
    path.write_bytes("ä 中\nb\n".encode(encoding, "replace"))
    with pytest.raises(InputError, match=f"iconv -f {named} -t utf-8 a.txt > NEW"):
        read_text(path)


def test_a_pipe_without_a_writer_does_not_wait_forever(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0)
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(InputError, match="no process writes to this pipe, which can be read only"):
        list(read_lines(pipe))
    # a process that has opened it may take its time
    descriptor = os.open(pipe, os.O_RDWR)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: list(read_lines(pipe)))
        os.write(descriptor, b"one\ntwo\n")
        wait_until(lambda: not select.select([descriptor], [], [], 0)[0])
        os.close(descriptor)
        assert found.result() == ["one\n", "two\n"]
    with pytest.raises(InputError, match="this is a device, a pipe or a socket, and would be read"):
        content_hash(pipe)


def test_without_replacing_only_the_same_content_is_written(tmp_path):
    path = tmp_path / "a.jsonl"
    assert write_jsonl(path, [{"a": 1}], replace=False) == 1
    before = path.stat().st_mtime_ns
    assert write_jsonl(path, [{"a": 1}], replace=False) == 1
    assert path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="would be replaced by other content; give another --out"):
        write_jsonl(path, [{"a": 2}], replace=False)
    assert path.read_text() == '{"a": 1}\n'
    assert [one.name for one in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_a_device_is_neither_read_nor_written(name):
    with pytest.raises(InputError, match=f"{name}: this is a device"):
        list(read_lines(name))
    with pytest.raises(InputError, match=f"{name}: this is a device"):
        write_text(name, "text")
    assert stat.S_ISCHR(os.stat(name).st_mode)


def test_a_write_that_fails_names_the_file(tmp_path):
    def rows():
        yield {"a": 1}
        raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(OSError, match="too large") as caught:
        write_jsonl(tmp_path / "a.jsonl", rows())
    assert caught.value.filename == str(tmp_path / "a.jsonl")


def test_a_path_with_a_line_break_is_one_line(tmp_path):
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / "a\nb.txt")
    assert str(caught.value) == f"{tmp_path}/a\\nb.txt: no such file; check the path"
