"""The command line: what it imports, how it exits, and errors on one line."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from relgen import __version__
from relgen.cli import main as cli
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import write_samples
from tests.relgen.cli.failing import failed
from tests.tiny.encoders import save_encoder

HEAVY = ("torch", "transformers", "lightning", "datasets", "peft", "matplotlib")


def imported_by(*arguments: str) -> set[str]:
    """The heavy packages that a command imports, in a process of its own."""
    code = f"""
import sys
from relgen.cli.main import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
print("IMPORTED", *(m for m in {HEAVY!r} if m in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.processes
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["generate", "--help"],
        ["run", "everyday", "--dry-run", "--out", "no-such-folder"],
        ["chains", "missing.jsonl", "--schema", "everyday", "--out", "x"],
        ["data", "split", "missing.jsonl", "--shots", "8", "--out", "x"],
        ["data", "convert", "--format", "tacred", "missing.json", "--out", "x"],
        ["data", "schema", "missing.json", "--out", "x"],
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    assert imported_by(*arguments) == set()


# a value, a file, a line, a schema and a model, of every command that loads one
MISTAKES = {
    "predict model x.jsonl --window 0": "'--window': must be a whole number above 0",
    "predict no-model good.jsonl": "no-model: no classifier in this folder",
    "predict model missing.jsonl": "missing.jsonl: no such file",
    "predict model bad.jsonl": "bad.jsonl:1: ",
    "predict model missing --entities regex:none": "missing: no such file",
    "label x.jsonl --train x --schema everyday --out y --penalty 0": "'--penalty': must be",
    "label missing.jsonl --train good.jsonl --schema everyday --out y": "missing.jsonl: no such",
    "label bad.jsonl --train good.jsonl --schema everyday --out y": "bad.jsonl:1: ",
    "label good.jsonl --train missing.jsonl --schema everyday --out y": "'--train': no such file",
    "label good.jsonl --train good.jsonl --schema semeval --out y": "good.jsonl:1: ",
    "label good.jsonl --train good.jsonl --schema bad.yaml --out y": "bad.yaml: field 'relations'",
    "label good.jsonl --train good.jsonl --schema everyday --out y --model a/b": "no such model",
    "generate --train good.jsonl --schema everyday --out y --top-p 2": "'--top-p': must be",
    "generate --train bad.jsonl --schema everyday --out y": "bad.jsonl:1: ",
    "generate --train good.jsonl --schema none --out y": "'--schema': no such file or schema",
    "generate --train good.jsonl --schema everyday --out y --forbid no": "'--forbid': no such file",
    "generate --train good.jsonl --schema everyday --out y --adapter no": "no adapter in this",
    "generate --train good.jsonl --schema everyday --out y --relations no": "'relations': ",
    "generate --train good.jsonl --schema everyday --out good.jsonl": "is an input of the command",
    "generate --train good.jsonl --schema everyday --out y --model ./none": "no such folder",
    "suggest --train good.jsonl --schema everyday": "give one of both",
    "suggest --train good.jsonl --schema everyday --unlabelled missing.jsonl": "no such file",
    "suggest --train bad.jsonl --schema everyday --errors": "bad.jsonl:1: ",
    "suggest --train good.jsonl --schema bad.yaml --errors": "bad.yaml: field 'relations'",
    "suggest --train good.jsonl --schema everyday --errors --model none.gguf": "no such file",
    "direct --train missing.jsonl --test missing.jsonl --schema everyday --out y": "no such file",
    "reader --train bad.jsonl --test good.jsonl --schema everyday --out y": "bad.jsonl:1: ",
    "serve no-model": "no-model: no classifier in this folder",
}


@pytest.mark.processes
def test_mistakes_are_found_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    write_samples(tmp_path / "good.jsonl", read_split("train")[:1])
    (tmp_path / "bad.jsonl").write_text('{"text": "no head"}\n')
    (tmp_path / "bad.yaml").write_text("name: x\n")
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors", "schema.yaml", "tokenizer"):
        (tmp_path / "model" / name).touch()
    code = f"""
import sys
from relgen.cli.main import main
for line in {list(MISTAKES)!r}:
    code = main(line.split())
    print(code, *(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    said = done.stderr.splitlines()
    assert said[1::2] == ["2"] * len(MISTAKES), done.stderr
    for (line, message), found in zip(MISTAKES.items(), said[::2], strict=True):
        assert message in found, line


@pytest.mark.parametrize(
    ("line", "terminal", "hidden"),
    [("--version", False, True), ("--version", True, False), ("run --help", True, True)],
)
def test_bars_of_libraries_are_hidden_in_logs_and_runs(
    line: str, terminal: bool, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"HF_DATASETS_DISABLE_PROGRESS_BARS": "0"})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with contextlib.suppress(SystemExit):
        cli.main(line.split())
    assert os.environ.pop("HF_DATASETS_DISABLE_PROGRESS_BARS") == "0"  # the user's own wish
    names = ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")
    assert os.environ == (dict.fromkeys(names, "1") if hidden else {})


@pytest.mark.processes
def test_libraries_show_no_bar_in_a_log() -> None:
    code = """
from relgen.cli.main import main
main(["--version"])
import huggingface_hub.utils, tqdm
list(tqdm.tqdm([1]))
print(huggingface_hub.utils.are_progress_bars_disabled())
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout.splitlines()[1], done.stderr) == ("True", "")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"relgen {__version__}\n"


def test_mistyped_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, "dat") == "unknown command (got 'dat'); did you mean 'relgen data'?"
    assert "did you mean 'relgen data split'" in failed(capsys, "data", "splot")
    assert "no command given; one of data convert" in failed(capsys)
    assert failed(capsys, "data", "split") == (
        "field 'samples': missing; see `relgen data split --help`"
    )
    assert failed(capsys, "dpo") == (
        "relgen dpo needs a subcommand as its first word; one of fit, validate"
    )


def test_commands_do_not_write_over_what_they_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "everyday", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    train = tmp_path / "train.jsonl"
    before = train.read_bytes()
    split = ["data", "split", str(train), "--shots", "2", "--out", str(tmp_path)]
    assert "this is an input of the command" in failed(capsys, *split)
    chains = ["chains", str(train), "--schema", "everyday", "--out", str(train)]
    assert "this is an input of the command" in failed(capsys, *chains)
    assert train.read_bytes() == before


def test_nobody_s_own_readme_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "everyday", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    assert cli.main(command) == 0
    capsys.readouterr()
    (tmp_path / "README.md").write_text("# My project\n", encoding="utf-8")
    assert "README.md: this file would be overwritten" in failed(capsys, *command)
    card = ["data", "card", str(tmp_path / "dev.jsonl"), "--schema", "everyday"]
    card += ["--license", "cc0-1.0", "--out", str(tmp_path)]
    assert "README.md: this file would be overwritten" in failed(capsys, *card)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# My project\n"


def test_a_full_disk_ends_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(arguments: list[str]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x/train.jsonl")

    monkeypatch.setattr(cli, "run", full)
    assert failed(capsys, "data", "everyday") == (
        "runs/x/train.jsonl: No space left on device; "
        "free some space and run the same command again"
    )


def test_interruption_has_its_own_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert cli.main(["run"]) == 130
    assert "run the same command again to continue" in capsys.readouterr().err
    assert cli.main(["dpo", "fit"]) == 130
    assert "run the same command with --resume to continue" in capsys.readouterr().err


def test_termination_has_its_own_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = []

    def terminated(arguments: list[str]) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            finished.append(True)

    monkeypatch.setattr(cli, "run", terminated)
    assert cli.main(["generate"]) == 143
    assert finished
    assert capsys.readouterr().err == "terminated; run the same command again to continue\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.processes
def test_a_forked_process_ends_on_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader's worker inherits the handler, but must not run the command's end."""
    ended = []

    def forks(arguments: list[str]) -> None:
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    monkeypatch.setattr(cli, "run", forks)
    assert cli.main(["generate"]) == 0
    assert ended == [-signal.SIGTERM]


def test_unexpected_errors_are_one_line_and_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(arguments: list[str]) -> None:
        raise RuntimeError("a bug\nof two lines")

    monkeypatch.setattr(cli, "run", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cli.main(["run", "x"]) == 1
    (file,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        f"RuntimeError: a bug of two lines; this was not expected: {file} holds the details for a "
        "report\n"
    )
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"relgen {__version__}, Python ")
    assert "\nrelgen run x\n" in text
    assert text.endswith("RuntimeError: a bug\nof two lines\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: …"), "out of memory; use a "),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory; use a "),
        (MemoryError(), "out of memory; use a smaller model"),
        (RuntimeError("PytorchStreamWriter failed writing file"), "no space left on the device"),
        (ModuleNotFoundError("No module named 'x'"), "imported (No module named 'x'); install it"),
        (RuntimeError("CUDA error: device-side assert"), "the GPU cannot be used (RuntimeError: C"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied; choose"),
    ],
)
def test_known_errors_of_libraries_are_one_line(
    error: Exception,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "run", broken)
    assert line in failed(capsys, "run")


def test_a_terminal_without_all_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    cli.main(["--help"])
    print("lower ↓ is better")
    sys.stdout.flush()
    assert raw.getvalue().endswith(b"lower ? is better\n")


COMMANDS_THAT_WRITE = [
    "data split x.jsonl --shots 1 --seed 1",
    "data everyday",
    "data card x.jsonl --schema everyday --license cc0-1.0",
    "direct --train x.jsonl --test x.jsonl --schema everyday",
    "reader --train x.jsonl --test x.jsonl --schema everyday",
    "report run",
    "classifier fit -c classifier/entity_marker",
]


@pytest.mark.parametrize("line", COMMANDS_THAT_WRITE)
def test_two_commands_do_not_write_to_one_folder(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileLock(tmp_path / ".relgen.lock"):
        assert cli.main([*line.split(), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path}: another relgen command is writing to this folder; wait")
    assert {path.name for path in tmp_path.iterdir()} <= {".relgen.lock"}


@pytest.mark.parametrize(
    "line",
    [
        "data convert x.txt --format semeval",
        "data schema x.json",
        "chains x.jsonl --schema everyday",
        "suggest --train x.jsonl --schema everyday --errors",
        "diversity x.jsonl",
        "export adapter --merge",
    ],
)
def test_commands_that_write_one_file_lock_it_alone(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.jsonl"
    with FileLock(tmp_path / ".new.jsonl.lock"):
        assert cli.main([*line.split(), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{out}: another relgen command is writing to this file; wait")
    with FileLock(tmp_path / ".relgen.lock"), FileLock(tmp_path / ".other.jsonl.lock"):
        assert cli.main([*line.split(), "--out", str(out)]) == 2
    assert re.search("no such file|no adapter", capsys.readouterr().err)


@pytest.mark.parametrize("word", ["\x1b[31m", "a\x9bb", "a\u202eb", "a\rb"])
def test_no_word_reaches_the_terminal_as_a_command_to_it(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diversity", word]) == 2
    said = capsys.readouterr().err
    assert "which is not printable" in said
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "generate --model m --train gone.jsonl --schema everyday --out o.jsonl",
            "gone.jsonl: field '--train': no such file; check the path",
        ),
        (
            "chains --schema everyday gone.jsonl --out o.jsonl",
            "gone.jsonl: no such file; check the path",
        ),
        (
            "data split s.jsonl --shots 1 --exclude=gone.jsonl --out o",
            "gone.jsonl: field '--exclude': no such file; check the path",
        ),
        (
            "data split s.jsonl --shots 1 --dev-from . --out o",
            ".: field '--dev-from': this is a folder, not a file; name a file in it",
        ),
        (
            "classifier fit -c classifier/entity_marker --data.schema everyday --data.mix human "
            "--data.human gone.jsonl --data.order together --model.classifier.model {encoder} "
            "--out o",
            "gone.jsonl: field '--data.human': no such file; check the path",
        ),
        (
            "diversity s.jsonl --against s.jsonl --json --out s.jsonl",
            "s.jsonl: this is an input of the command; give another --out",
        ),
    ],
)
def test_errors_of_whole_files_name_the_option(
    line: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_samples(tmp_path / "s.jsonl", read_split("dev")[:2])
    encoder = save_encoder(tmp_path / "encoder") if "{encoder}" in line else ""
    capsys.readouterr()
    assert failed(capsys, *line.format(encoder=encoder).split()) == said
    assert not (tmp_path / "o" / "tensorboard").exists()


@pytest.mark.parametrize("out", [["--out", ""], ["--out="], ["--out", " "]])
@pytest.mark.parametrize(
    "command", [["data", "everyday"], ["data", "split", "a.jsonl"], ["classifier", "fit"], ["run"]]
)
def test_an_empty_output_is_no_path(
    command: list[str], out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, *out]) == 2
    said = capsys.readouterr().err
    assert said.startswith("field '--out': empty (got '")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (["chains", "", "--schema", "everyday", "--out", "c.jsonl"], ""),
        (["chains", "a.jsonl", "--schema", "", "--out", "c.jsonl"], "field '--schema': "),
        (["diversity", "a.jsonl", "--against="], "field '--against': "),
        (["classifier", "fit", "-c", "x", "--data.human", ""], "field '--data.human': "),
    ],
)
def test_an_empty_input_is_no_folder(
    line: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line) == 2
    said = f"{field}empty (got ''); is a variable of the shell not set?\n"
    assert capsys.readouterr().err == said


@pytest.mark.processes
def test_an_error_that_cannot_be_printed_has_its_code() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "relgen.cli.main", "data", "nope"]
        assert subprocess.run(command, stderr=full, check=False).returncode == 2


@pytest.mark.parametrize(
    ("interrupt", "code", "said"),
    [(KeyboardInterrupt, 130, "interrupted; run"), (cli.Terminated, 143, "terminated; run")],
)
def test_an_error_while_an_interrupt_is_left_is_the_interrupt(
    interrupt: type[BaseException],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(_: object) -> None:
        try:
            raise interrupt
        finally:
            raise RuntimeError("trying to pop from empty mode stack")

    monkeypatch.setattr("relgen.cli.main.run", run)
    assert cli.main(["label"]) == code
    assert capsys.readouterr().err.startswith(said)
