"""Where a command may write; `tests/relgen/cli/test_outputs.py` tries all commands."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.common.files import content_hash
from relgen.common.outputs import (
    check_outputs,
    earlier_summary,
    recorded,
    refuse_foreign,
    refuse_unrecorded,
    unfinished,
    write_summary,
)


def test_an_output_is_no_input_by_any_name(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("x")
    os.link(data, tmp_path / "hard.jsonl")
    (tmp_path / "soft.jsonl").symlink_to(data)
    check_outputs([tmp_path / "new.jsonl"], [data, None])
    for name in ("data.jsonl", "hard.jsonl", "soft.jsonl", "../" + tmp_path.name + "/data.jsonl"):
        with pytest.raises(InputError, match="an input of the command"):
            check_outputs([tmp_path / name], [data])


def test_outputs_differ_from_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two outputs"):
        check_outputs([tmp_path / "a", tmp_path / "x" / ".." / "a"], [])


@pytest.mark.parametrize(
    ("first", "second"), [("x.json", "X.JSON"), ("Straße", "STRASSE"), ("\u00e9", "e\u0301")]
)
def test_outputs_differ_in_more_than_large_letters(first: str, second: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two outputs"):
        check_outputs([tmp_path / first, tmp_path / second], [])


@pytest.fixture
def insensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not tell large letters from small ones."""

    def real(path: Path) -> Path:
        if os.path.exists(path):
            return path
        parent = real(path.parent)
        found = map(parent.joinpath, os.listdir(parent) if os.path.isdir(parent) else ())
        return next((one for one in found if one.name.lower() == path.name.lower()), path)

    for name in ("exists", "isfile", "isdir"):
        method = {"isfile": "is_file", "isdir": "is_dir"}.get(name, name)
        asked = getattr(os.path, name)
        monkeypatch.setattr(Path, method, lambda path, asked=asked: asked(real(path)))
    monkeypatch.setattr(Path, "samefile", lambda path, other: real(path) == real(other))


@pytest.mark.usefixtures("insensitive")
def test_an_output_is_no_input_in_large_letters(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = tmp_path / "data" / "train.jsonl"
    data.write_text("x")
    check_outputs([tmp_path / "Data" / "other.jsonl"], [data])
    with pytest.raises(InputError, match="an input of the command"):
        check_outputs([tmp_path / "DATA" / "Train.jsonl"], [data])
    with pytest.raises(InputError, match="in this folder, which would be replaced"):
        check_outputs([], [data], replaced=[tmp_path / "DATA"])


def test_a_folder_with_an_input_is_not_replaced(tmp_path: Path) -> None:
    check_outputs([], [tmp_path / "data" / "train.jsonl"], replaced=[tmp_path / "model"])
    with pytest.raises(InputError, match=r"train\.jsonl"):
        check_outputs([], [tmp_path / "data" / "train.jsonl"], replaced=[tmp_path / "data"])


def test_a_dangling_link_is_a_file_of_somebody(tmp_path: Path) -> None:
    refuse_foreign([tmp_path / "new"], "data split")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="`relgen data split` has not written it"):
        refuse_foreign([tmp_path / "link"], "data split")


def test_a_command_that_was_stopped_may_go_on(tmp_path: Path) -> None:
    names = ["train.jsonl"]
    (tmp_path / "train.jsonl").write_text("half")
    (tmp_path / "pool.jsonl").write_text("of somebody else")
    with contextlib.suppress(KeyboardInterrupt), unfinished(tmp_path, "data split", names):
        raise KeyboardInterrupt
    refuse_foreign([tmp_path / "train.jsonl"], "data split")
    with pytest.raises(InputError):
        refuse_foreign([tmp_path / "train.jsonl"], "data card")
    with pytest.raises(InputError):
        refuse_foreign([tmp_path / "pool.jsonl"], "data split")  # it was not being written
    with unfinished(tmp_path, "data split", ["other.jsonl"]):
        pass
    refuse_foreign([tmp_path / "train.jsonl"], "data split")
    with unfinished(tmp_path, "data split", names):
        pass
    with pytest.raises(InputError):
        refuse_foreign([tmp_path / "train.jsonl"], "data split")


def test_only_what_a_summary_names_is_replaced_and_by_force(tmp_path: Path) -> None:
    path, out, stream = (tmp_path / name for name in ("out.json", "out.jsonl", "out.jsonl"))

    def found(header: str = "1", *, force: bool = True) -> dict[str, object]:
        return earlier_summary(path, "label", [out], header, force=force, stream=stream)

    assert found(force=False) == {}
    out.write_text("rows")
    own = write_summary(path, {"command": "label", "hash": "1"}, [out])
    assert own["files"] == {"out.jsonl": content_hash(out)}
    assert found() == own
    assert found("2") == {}
    with pytest.raises(InputError, match="give another --out, or --force to replace it"):
        found("2", force=False)
    out.write_text("sown")  # in the place of the one that the summary names
    with pytest.raises(InputError, match="`relgen label` has not written it, as it is now; give"):
        found("2")
    out.unlink()
    for content in ("[1]", "notes", '{"command": "predict"}', '{"command": "label", "files": 1}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r"out\.json: .*has not written it; give another"):
            found()


def test_two_outputs_of_one_summary_do_not_replace_it(tmp_path: Path) -> None:
    path, first, second = (tmp_path / name for name in ("generation.json", "a.jsonl", "b.jsonl"))
    first.write_text("rows")
    write_summary(path, {"command": "generate", "hash": "1"}, [first])
    for force in (False, True):
        with pytest.raises(InputError) as refused:
            earlier_summary(path, "generate", [second], "2", force=force)
        assert str(refused.value) == (
            f"{path}: this file belongs to a.jsonl, which `relgen generate` wrote earlier; "
            "give another folder for --out"
        )
    first.unlink()
    assert earlier_summary(path, "generate", [second], "2", force=True) == {}


@pytest.mark.parametrize(
    ("state", "replaced"),
    [
        (None, False),
        ("[1]", False),
        ({"header": "1", "whole": False}, False),
        ({"header": "1", "whole": True}, True),
    ],
)
def test_what_a_stopped_run_has_written_is_its_own(
    state: object, replaced: bool, tmp_path: Path
) -> None:
    (out := tmp_path / "out.jsonl").write_text("rows")
    if state is not None:
        text = state if isinstance(state, str) else json.dumps(state)
        (tmp_path / ".out.jsonl.state").write_text(text)
    with contextlib.nullcontext() if replaced else pytest.raises(InputError, match="not written"):
        earlier_summary(tmp_path / "o.json", "label", [out], "1", force=True, stream=out)
    (tmp_path / "o.json").write_text("mine")  # not what the state tells of
    with pytest.raises(InputError, match="not written"):
        earlier_summary(tmp_path / "o.json", "label", [out], "1", force=True, stream=out)


def test_recorded_files_are_replaced_until_somebody_changes_them(tmp_path: Path) -> None:
    out, other = tmp_path / "a" / "out.xml", tmp_path / "a" / "out.json"
    with pytest.raises(ZeroDivisionError), recorded([out, other], "review"):
        raise ZeroDivisionError
    assert not out.parent.exists()
    for text in ("one", "three"):
        with recorded([out, other], "review"):
            out.write_text(text)
            other.write_text("{}")
    with pytest.raises(InputError, match="give another --out"), recorded([out], "chains"):
        raise AssertionError
    with pytest.raises(ZeroDivisionError), recorded([out, other], "review"):
        raise ZeroDivisionError
    other.write_text("[]")  # of the same size
    with pytest.raises(InputError, match=r"out\.json: this file would be"):
        recorded([out, other], "review").__enter__()
    other.write_text("")  # as `mktemp` makes it
    with recorded([out, other], "review"):
        pass


def test_a_killed_command_replaces_what_it_was_writing(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    killed = recorded([out], "chains")
    killed.__enter__()
    out.write_text("a part")
    with recorded([out], "chains"):
        out.write_text("all")
    out.write_text("mine")
    with pytest.raises(InputError), recorded([out], "chains"):
        raise AssertionError


def test_a_command_that_stopped_while_it_wrote_may_be_repeated(tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    stopped = recorded([out], "classifier")
    stopped.__enter__()
    out.write_text("{")
    assert not stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert refuse_unrecorded([out], "classifier") == {"scores.json": None}
    with recorded([out], "classifier"):
        out.write_text("{}")
    assert refuse_unrecorded([out], "classifier") == {"scores.json": content_hash(out)}
    out.unlink()
    with recorded([out], "chains"):  # the record of another command for a file that is gone
        out.write_text("")
