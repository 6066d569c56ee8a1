"""No command changes a file that it reads, or one that somebody else has written beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from relgen.cli import main as cli
from relgen.common.locks import locked
from relgen.data.corpora.everyday import save_everyday
from relgen.data.samples import read_samples, write_samples
from relgen.data.schema import load_schema
from relgen.dpo.preference_pairs import build_chains, write_chains
from relgen.models.causal_lm import load_language_model
from relgen.models.lora import add_lora, save_adapter
from relgen.review.exports import export_tasks
from tests import tiny
from tests.relgen.prediction.firms import save_firms
from tests.relgen.reporting.fake_run import make_run
from tests.tiny.encoders import save_encoder

FOREIGN = (
    *("dev.jsonl", "manifest.json", "README.md", "predictions.jsonl", "scores.json", "direct.json"),
    *("generation.json", "rejected.jsonl", "history.jsonl", "config.yaml", "config.test.yaml"),
    *(
        "reader.json",
        "labelled.json",
        "labelled.uncertain.jsonl",
        "results.json",
        "experiment.json",
    ),
    *("report.html", "report.md", "reviewed.log.jsonl"),
    *("model/weights.bin", "adapter/weights.bin", "checkpoints/mine.txt"),
)
"""Files of the user's own with the names of outputs."""
DATA = "--train {data}/train.jsonl --schema {data}/schema.yaml"
COMMANDS = {
    "convert": "data convert {data}/train.jsonl --format jsonl",
    "split": "data split {data}/train.jsonl --schema {data}/schema.yaml --shots 2",
    "everyday": "data everyday",
    "card": "data card {data}/generated.jsonl --schema {data}/schema.yaml --license cc0-1.0",
    "schema": "data schema {data}/descriptions.json",
    "diversity": "diversity {data}/train.jsonl --encoder {encoder} --json",
    "chains": "chains {data}/train.jsonl --schema {data}/schema.yaml",
    "generate": f"generate --model {{model}} {DATA} --forbid {{data}}/test.jsonl --samples 1 "
    "--relations {relation} --max-drafts-per-sample 1 --max-new-tokens 4",
    "label": f"label {{data}}/generated.jsonl --model {{model}} {DATA}",
    "suggest": f"suggest --unlabelled {{data}}/generated.jsonl --model {{model}} {DATA}",
    "direct": f"direct --model {{model}} --test {{data}}/test.jsonl {DATA} --shots 1",
    "reader": f"reader --model {{model}} --test {{data}}/test.jsonl {DATA}",
    "dpo fit": "dpo fit -c dpo/smollm2 --model.model {model} --data.chains {data}/chains.jsonl "
    "--data.schema {data}/schema.yaml --trainer.max_steps 1 --trainer.accelerator cpu",
    "classifier fit": "classifier fit -c classifier/entity_marker --data.mix human "
    "--model.classifier.model {encoder} --data.human {data}/train.jsonl --data.order together "
    "--data.schema {data}/schema.yaml --trainer.max_steps 1 --trainer.accelerator cpu",
    "run": "run {data}/experiment.yaml --only split",
    "predict": "predict {classifier} {data}/test.jsonl",
    "report": "report {data}/finished",
    "compare": "report --compare {data}/finished {data}/other",
    "export": "export {classifier} --to hf --samples {data}/test.jsonl",
    "merge": "export {adapter} --merge",
    "review": "review {data}/generated.jsonl --schema {data}/schema.yaml --export label-studio",
    "results": "review {data}/generated.jsonl --results {data}/tasks.jsonl",
}
FORCED = (
    *("convert", "split", "schema", "diversity", "chains", "suggest", "export", "merge", "review"),
    *("generate", "label", "direct", "reader", "predict", "dpo fit", "classifier fit"),
)
PLACES = ("on", "link", "beside", "above", "below")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    model = tiny.save_model(folder / "model")
    policy = add_lora(load_language_model(model), rank=2)
    save_adapter(policy, folder / "adapter", base_model=model)
    return {
        "model": model,
        "adapter": str(folder / "adapter"),
        "encoder": save_encoder(folder / "encoder"),
        "classifier": save_firms(folder),
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("inputs") / "data"
    save_everyday(data)
    schema = load_schema(data / "schema.yaml")
    train = read_samples(data / "train.jsonl", schema=schema)
    write_chains(data / "chains.jsonl", build_chains(train[:12], schema, seed=1))
    descriptions = {"P1": ["crosses", "a bridge"], "P2": ["owns", "a person"]}
    (data / "descriptions.json").write_text(json.dumps(descriptions))
    test = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()[:6]]
    lines = [json.dumps(sample | {"source": "generated"}) for sample in test]
    (data / "generated.jsonl").write_text("\n".join(lines) + "\n")
    (data / "names.tsv").write_text("Ann\tPERSON\n")
    (data / "names.yaml").write_text("YEAR: '[0-9]{4}'\n")
    (data / "experiment.yaml").write_text(
        "corpus: {train: train.jsonl, test: test.jsonl, schema: schema.yaml}\nshots: 2\n"
        "seeds: [1]\narms: [human]\nclassifiers: [classifier/entity_marker]\n"
    )
    for name in ("finished", "other"):
        make_run(data / name, arms=["human"], seeds=[1], labels=["a", "b", "none"])
    export_tasks("prodigy", read_samples(data / "generated.jsonl"), schema, data / "tasks", [])
    tasks = [json.loads(line) for line in (data / "tasks").read_text().splitlines()]
    lines = [json.dumps(task | {"answer": "accept"}) for task in tasks]
    (data / "tasks.jsonl").write_text("\n".join(lines) + "\n")
    for name in FOREIGN:
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text(f"{name} of somebody else")
    return data


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _outputs(place: str, line: list[str], data: Path) -> Iterator[Path]:
    """Yield outputs on, beside, above and below the inputs of a command line."""
    for name in [Path(word).name for word in line if Path(word).parent == data]:
        if place == "on":
            yield data / name
        elif place == "below":
            yield data / name / "out"
        elif place == "link":
            linked = data.parent / f"linked-{name}"
            linked.unlink(missing_ok=True)
            (os.link if (data / name).is_file() else os.symlink)(data / name, linked)
            yield linked
    if place == "beside":
        yield data
        yield data / "labelled.jsonl"
        yield data / "reviewed.jsonl"
        yield data / "README.md"
    elif place == "above":
        yield data.parent


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_inputs_and_files_of_others_stay(
    command: str,
    place: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tmp_path / "work" / "data"
    shutil.copytree(inputs, data)
    before = _hashes(data)
    line = COMMANDS[command].format(data=data, relation="located_in", **models).split()
    for out in _outputs(place, line, data):
        for force in [[], ["--force"]] if command in FORCED else [[]]:
            monkeypatch.chdir(data)  # an experiment's paths are relative
            code = cli.main([*line, "--out", str(out), *force])
            after = _hashes(data)
            assert {name: after.get(name) for name in before} == before, (out, force)
            assert code in (0, 2)
            # what a training has begun beside the inputs
            shutil.rmtree(data)
            shutil.copytree(inputs, data)


def test_files_of_its_own_are_replaced(tmp_path: Path) -> None:
    save_everyday(tmp_path / "data")
    samples = tmp_path / "data" / "train.jsonl"
    assert cli.main(["data", "everyday", "--out", str(tmp_path / "data")]) == 0
    write_samples(samples, read_samples(samples)[:3])
    assert cli.main(["data", "everyday", "--out", str(tmp_path / "data")]) == 2


JOURNAL = (".out.jsonl.journal.jsonl", '{"header": "h"}\n')
SAMPLE = json.dumps(tiny.sentence("Ann", " left ", "Bern").to_json()) + "\n"
SCHEMA = "name: mine\nnegative: null\nrelations:\n  born_in: {explanation: Mine.}\n"
OTHERS = [
    ("convert", "out.jsonl", "notes"),
    ("convert", "out.jsonl", SAMPLE),
    ("schema", "out.jsonl", SCHEMA),
    ("chains", "out.jsonl", '{"relation": "born_in"}\n'),
    ("suggest", "out.jsonl", '{"guess": "born_in"}\n'),
    ("diversity", "out.jsonl", '{"per_relation": {}}\n'),
    ("review", "out.jsonl", "[]\n"),
    ("review", "out.xml", "<View>\n"),
    ("convert", ".out.jsonl.written", "mine"),
    ("split", "manifest.json", "notes"),
    ("split", "manifest.json", "[1]"),
    ("card", "README.md", "# Mine"),
    ("generate", "out.jsonl", "mine"),
    ("generate", "rejected.jsonl", "mine"),
    ("generate", "generation.json", '{"hash": "x"}'),
    ("generate", ".out.jsonl.journal.jsonl", "mine"),
    ("label", "out.json", "notes"),
    ("label", "out.uncertain.jsonl", "mine"),
    ("label", ".out.jsonl.read.partial", "mine"),
    ("predict", "out.json", "[1]"),
    ("predict", ".out.jsonl.state", "[1]"),
    ("direct", "direct.json", "[1]"),
    ("direct", "direct.json", '{"hash": "x"}'),
    ("direct", "predictions.jsonl", "mine"),
    ("reader", "reader.json", "notes"),
    ("reader", "model/config.json", "{}"),
    ("dpo fit", "adapter/adapter_config.json", "{}"),
    ("classifier fit", "config.yaml", "# lightning.pytorch==2.5.0\n"),
    ("classifier fit", "history.jsonl", "mine"),
    ("classifier fit", "checkpoints/best.ckpt", "mine"),
    ("classifier fit", "model/config.json", "{}"),
]
"""Commands, and files of the user's own that have the name of an output."""


@pytest.mark.parametrize(("command", "name", "text"), OTHERS)
def test_a_file_of_the_user_is_never_an_output(
    command: str,
    name: str,
    text: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / WRITTEN.get(command, ("out.jsonl", ()))[0]
    mine = (out.parent if out.suffix else out) / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    if command == "generate":
        (mine.parent / JOURNAL[0]).write_text(JOURNAL[1])
    mine.write_text(text)
    line = COMMANDS[command].format(data=inputs, relation="located_in", **models).split()
    for force in [[], ["--force"]] if command in FORCED else [[]]:
        assert cli.main([*line, "--out", str(out), *force]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.endswith("give another --out"), said
        assert "--force" not in said
        assert mine.read_text() == text


def test_a_table_beside_predictions_is_not_theirs(
    inputs: Path, models: dict[str, str], tmp_path: Path
) -> None:
    line = COMMANDS["predict"].format(data=inputs, **models).split()
    assert cli.main([*line, "--out", str(tmp_path / "a.jsonl")]) == 0
    (mine := tmp_path / "a.csv").write_text("mine")
    for force in ([], ["--force"]):
        assert cli.main([*line, "--out", str(mine), *force]) == 2
    assert mine.read_text() == "mine"
    assert cli.main([*line, "--out", str(tmp_path / "a.jsonl"), "--scores"]) == 2
    assert cli.main([*line, "--out", str(tmp_path / "a.jsonl"), "--scores", "--force"]) == 0


def test_a_training_and_its_test_replace_their_own_files_only(
    inputs: Path, models: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (curves := out / "tensorboard" / "events.out.tfevents.1.mine").parent.mkdir(parents=True)
    curves.write_text("mine")
    line = COMMANDS["classifier fit"].format(data=inputs, **models).split()
    assert cli.main([*line, "--out", str(out)]) == 0
    (predictions := out / "predictions.jsonl").write_text("mine")
    test = f"classifier test -c classifier/entity_marker --data.test {inputs}/test.jsonl"
    model = ["--model.classifier.model", models["encoder"], "--trainer.accelerator", "cpu"]
    line = [*test.split(), "--data.schema", f"{inputs}/schema.yaml", *model, "--out", str(out)]
    assert cli.main([*line, "--force"]) == 2
    assert (predictions.read_text(), curves.read_text()) == ("mine", "mine")
    predictions.unlink()
    assert cli.main(line) == 0
    assert cli.main(line) == 2
    assert cli.main([*line, "--force"]) == 0
    torch.save({"state_dict": {}}, checkpoint := out / "checkpoints" / "mine.ckpt")
    fit = COMMANDS["classifier fit"].format(data=inputs, **models).split()
    assert cli.main([*fit, "--out", str(out), "--force"]) == 2
    assert checkpoint.is_file()
    checkpoint.unlink()
    assert cli.main([*fit, "--out", str(out), "--force"]) == 0


@pytest.mark.parametrize("command", ["convert", "split", "chains", "schema", "diversity"])
def test_other_content_is_replaced_with_force_only(
    command: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = shutil.copytree(inputs, tmp_path / "data")
    out = tmp_path / "out" / "file"
    line = [*COMMANDS[command].format(data=data, **models).split(), "--out", str(out)]
    assert cli.main(line) == 0
    before = _hashes(out.parent)
    assert cli.main(line) == 0  # the same content again
    assert _hashes(out.parent) == before
    samples = data / "train.jsonl"
    write_samples(samples, read_samples(samples)[:-9])
    (data / "descriptions.json").write_text('{"P3": ["has", "it"], "P4": ["is", "it"]}')
    assert cli.main(line) == 2
    assert "--force to replace it" in capsys.readouterr().err
    assert _hashes(out.parent) == before
    assert cli.main([*line, "--force"]) == 0
    after = _hashes(out.parent)
    assert after != before
    assert after.keys() == before.keys()
    if out.is_file():
        out.write_text("of somebody else\n")
        assert cli.main([*line, "--force"]) == 2
        assert out.read_text() == "of somebody else\n"


EDITED = dict.fromkeys(
    ("convert", "schema", "chains", "suggest", "diversity", "review", "results", "generate"),
    "out.jsonl",
) | {
    "label": "out.jsonl",
    "predict": "out.jsonl",
    "split": "dev.jsonl",
    "card": "README.md",
    "report": "report.md",
    "compare": "report.md",
    "direct": "predictions.jsonl",
    "reader": "predictions.jsonl",
}
"""What a person may edit of the outputs of commands."""


@pytest.mark.parametrize(("command", "name"), EDITED.items())
def test_an_edited_output_stays(
    command: str,
    name: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out" / ("out.jsonl" if name == "out.jsonl" else "")
    line = COMMANDS[command].format(data=inputs, relation="located_in", **models).split()
    other = {"predict": ["--scores"], "generate": ["--seed", "2"], "direct": ["--seed", "2"]}.get(
        command, ["--penalty", "2"] if command in ("label", "reader") else []
    )
    assert cli.main([*line, "--out", str(out)]) == 0
    edited = tmp_path / "out" / name
    size = edited.stat().st_size
    # of the same size
    edited.write_text(edited.read_text().swapcase() or "mine")
    assert edited.stat().st_size == (size or 4)
    before = _hashes(tmp_path)
    assert cli.main([*line, *other, "--out", str(out), *["--force"] * (command in FORCED)]) == 2
    assert f"{edited}: this file would be overwritten, and `relgen " in capsys.readouterr().err
    assert _hashes(tmp_path) == before


@pytest.mark.parametrize("command", ["generate", "label", "predict"])
def test_two_outputs_in_a_folder_do_not_replace_each_others_files(
    command: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = COMMANDS[command].format(data=inputs, relation="located_in", **models).split()
    first, second = "a.jsonl", "b.jsonl" if command == "generate" else "a.parquet"
    assert cli.main([*line, "--out", str(tmp_path / first)]) == 0
    before = _hashes(tmp_path)
    for force in ([], ["--force"]):
        assert cli.main([*line, "--out", str(tmp_path / second), *force]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert f"this file belongs to {first}, which `relgen {command}` wrote earlier" in said
        assert _hashes(tmp_path) == before


@pytest.mark.parametrize("command", ["direct", "export", "label", "predict", "reader"])
def test_outputs_beside_a_running_command_are_written(
    command: str, inputs: Path, models: dict[str, str], tmp_path: Path
) -> None:
    line = COMMANDS[command].format(data=inputs, **models).split()
    # the thread does not hold these locks
    with (
        locked(tmp_path / "other", beside=True),
        locked(tmp_path),
        ThreadPoolExecutor(1) as thread,
    ):
        code = thread.submit(cli.main, [*line, "--out", str(tmp_path / "a.jsonl")]).result()
    assert code == 0


def test_the_summary_may_not_be_the_labelled_file(
    tmp_path: Path, inputs: Path, models: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = COMMANDS["label"].format(data=inputs, **models).split()
    assert cli.main([*line, "--out", str(tmp_path / "labelled.json")]) == 2
    assert "two outputs of the command would be this file" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["device", "pipe", "loop", "long name", "below a device"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_regular_file_stays(
    command: str,
    place: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(inputs, data := tmp_path / "work" / "data")
    monkeypatch.chdir(data)
    line = COMMANDS[command].format(data=data, relation="located_in", **models).split()
    out = {"long name": tmp_path / ("x" * 300), "below a device": Path("/dev/null/out")}.get(
        place, tmp_path / "out"
    )
    if place == "device":
        out = Path("/dev/null")
    elif place == "pipe":
        os.mkfifo(out)
    elif place == "loop":
        out.symlink_to(tmp_path / "back")
        (tmp_path / "back").symlink_to(out)
    kind = stat.S_IFMT(out.lstat().st_mode) if place in ("device", "pipe", "loop") else None
    code = cli.main([*line, "--out", str(out)])
    said = capsys.readouterr().err
    assert code == 2, said
    named = "/dev/null" if place == "below a device" else out.name[:100]
    assert named in said.strip().splitlines()[-1], said
    assert kind is None or stat.S_IFMT(out.lstat().st_mode) == kind


WRITTEN = {
    "split": ("split", ["train.jsonl", "dev.jsonl", "manifest.json"]),
    "everyday": ("everyday", ["train.jsonl", "schema.yaml", "README.md"]),
    "card": ("card", ["README.md", "train.jsonl"]),
    "generate": (
        "out.jsonl",
        ["rejected.jsonl", "generation.json", ".out.jsonl.journal.jsonl"],
    ),
    "label": ("out.jsonl", ["out.json", "out.uncertain.jsonl", ".out.jsonl.read.partial"]),
    "direct": ("direct", ["predictions.jsonl", "direct.json", ".predictions.jsonl.partial"]),
    "reader": ("reader", ["predictions.jsonl", "reader.json", ".predictions.jsonl.partial"]),
    "dpo fit": ("dpo", ["config.yaml", "history.jsonl"]),
    "classifier fit": ("classifier", ["config.yaml", "history.jsonl"]),
}
"""Outputs, and files that the commands write in them or beside them."""


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], str]:
    """A function that runs a command which is to be refused, and returns the last line it says."""
    monkeypatch.setattr("relgen.common.files.PIPE_SECONDS", 0)

    def last_line(line: list[str]) -> str:
        assert cli.main(line) == 2, line
        return capsys.readouterr().err.strip().splitlines()[-1]

    return last_line


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for command, (_, names) in WRITTEN.items() for name in names],
)
def test_a_pipe_in_the_place_of_an_output_ends_the_command(
    command: str,
    name: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    refused: Callable[[list[str]], str],
) -> None:
    out = tmp_path / WRITTEN[command][0]
    pipe = (out.parent if out.suffix else out) / name
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    line = COMMANDS[command].format(data=inputs, relation="located_in", **models).split()
    assert refused([*line, "--out", str(out)]).startswith(f"{pipe}: ")
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


READING = COMMANDS | {
    "names": "predict {classifier} {data}/README.md --entities gazetteer:{data}/names.tsv",
    "expressions": "predict {classifier} {data}/README.md --entities regex:{data}/names.yaml",
    "serve": "serve {classifier} --port 0 --entities gazetteer:{data}/names.tsv",
    "push": "push {classifier} ann/relations",
    "checkpoint": "dpo validate -c dpo/smollm2 --model.model={model} --trainer.accelerator=cpu "
    "--data.chains={data}/chains.jsonl --data.schema={data}/schema.yaml "
    "--ckpt_path {data}/last.ckpt --out={data}/validated",
    "test": "classifier test -c classifier/entity_marker --model.classifier.model={encoder} "
    "--data.schema={data}/schema.yaml --trainer.accelerator=cpu --data.test={data}/test.jsonl "
    "--ckpt_path {data}/last.ckpt --out={data}/tested",
}
ODD = {
    "device": Path("/dev/zero"),
    "pipe": Path("pipe"),
    "loop": Path("loop"),
    "long name": Path("x" * 300),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("command", READING)
def test_what_is_no_regular_file_is_no_input(
    command: str,
    odd: str,
    inputs: Path,
    models: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[[list[str]], str],
) -> None:
    shutil.copytree(inputs, data := tmp_path / "data")
    monkeypatch.chdir(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    line = READING[command].format(data=data, relation="located_in", **models).split()
    for place, word in enumerate(line):
        kind, _, path = word.rpartition(":")
        if Path(path).parent != data and path not in models.values():
            continue
        named = f"{kind}:{tmp_path / ODD[odd]}".removeprefix(":")
        given = [*line[:place], named, *line[place + 1 :]]
        if command in COMMANDS:
            given += ["--out", str(tmp_path / "out" / "x.jsonl")]
        assert str(tmp_path / ODD[odd])[:100] in refused(given), given


@pytest.mark.parametrize("odd", ["pipe", "loop", "long name"])
def test_a_cache_that_is_no_folder_holds_no_models(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path / ODD[odd]))
    assert cli.main(["models"]) in (0, 2)
    said = capsys.readouterr()
    assert (said.out + said.err).count("\n") == 1


LARGE = (
    *("convert", "split", "everyday", "card", "chains", "diversity", "generate", "label"),
    *("suggest", "direct", "reader", "predict", "report", "compare", "export", "merge", "review"),
    *("results", "dpo fit", "classifier fit"),
)
_LIMITED = """
import json, resource, sys
from relgen.cli.main import main
lines = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
for line in lines:
    print("CODE", main(line), file=sys.stderr, flush=True)
"""


@pytest.mark.slow
@pytest.mark.processes
def test_a_limit_on_the_size_of_files_is_one_line(
    inputs: Path, models: dict[str, str], tmp_path: Path
) -> None:
    lines = []
    for command in LARGE:
        line = COMMANDS[command].format(data=inputs, relation="located_in", **models).split()
        lines.append([*line, "--out", str(tmp_path / command / "out.jsonl")])
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = re.split(r"CODE (\d)\n", done.stderr)
    ends = dict(zip(LARGE, zip(said[1::2], said[::2], strict=False), strict=True))
    for command, (code, text) in ends.items():
        assert code == "2", (command, text)
        assert "raise the limit on the size of files" in text.splitlines()[-1], (command, text)
        assert "Traceback" not in text
