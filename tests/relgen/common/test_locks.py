"""One command writes to a folder at a time."""

from __future__ import annotations

import errno
import multiprocessing
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from filelock import FileLock

from relgen.common.errors import InputError
from relgen.common.locks import is_first_process, locked

BUSY = "another relgen command is writing to this folder"


def test_another_command_is_refused(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".relgen.lock"),
        pytest.raises(InputError, match=BUSY),
        locked(tmp_path),
    ):
        raise AssertionError
    with locked(tmp_path), pytest.raises(TimeoutError):
        FileLock(tmp_path / ".relgen.lock").acquire(timeout=0)


def test_the_holder_may_take_a_lock_again_and_other_threads_may_not(tmp_path: Path) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with locked(tmp_path):
                pass
        except InputError as error:
            refused.append(str(error))

    with locked(tmp_path):
        with locked(tmp_path / "." / "sub" / ".."):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1
    other()
    assert len(refused) == 1


def test_two_files_of_a_folder_are_locked_apart(tmp_path: Path) -> None:
    with locked(tmp_path / "a", beside=True), locked(tmp_path / "b", beside=True):
        with pytest.raises(TimeoutError):
            FileLock(tmp_path / ".b.lock").acquire(timeout=0)
        FileLock(tmp_path / ".relgen.lock").acquire(timeout=0).lock.release()
    message = f"^{tmp_path / 'a'}: another relgen command is writing to this file; wait"
    with (
        FileLock(tmp_path / ".a.lock"),
        pytest.raises(InputError, match=message),
        locked(tmp_path / "a", beside=True),
    ):
        raise AssertionError


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / ".relgen.lock").is_file()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a"):
        (tmp_path / "a" / "x").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]


def test_a_folder_that_cannot_be_made_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with locked(tmp_path / "file" / "sub"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def hold(folder: Path, ready: Event) -> None:
    with locked(folder):
        ready.set()
        threading.Event().wait()


@pytest.mark.processes
def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match=BUSY), locked(tmp_path):
        pass
    process.kill()
    process.join()
    assert (tmp_path / ".relgen.lock").exists()
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    match = "files cannot be locked here: Operation not supported"
    with pytest.raises(InputError, match=match), locked(tmp_path):
        pass


@pytest.mark.parametrize(
    ("values", "first"),
    [({}, True), ({"LOCAL_RANK": "0", "RANK": "0"}, True), ({"LOCAL_RANK": "1"}, False)],
)
def test_the_first_process_of_a_training(
    values: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first
