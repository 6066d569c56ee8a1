"""The scripts in `examples/` run as they stand, on a small classifier."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from relgen.cli.commands.serve import Options
from relgen.cli.main import main
from relgen.common.command_lines import parse_options
from relgen.common.files import write_jsonl
from relgen.data.corpora import read_split
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import save_encoder

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_UNLABELLED = ("id", "text", "head", "tail")
SCHEMA = RelationSchema("two", (Relation("founded", "x"), Relation("lives_in", "x")), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    built = EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path / "encoder"))
    torch.nn.init.normal_(built.output.weight, std=1.0)
    save_classifier(built, tmp_path / "model")
    return tmp_path / "model"


def run(*command: str | Path, **more: str) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": path, **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


TRIPLES = {
    (firm, relation, other)
    for firm, person, place in (
        ("Kite Press", "Olu Ade", "Turin"),
        ("Green Spoon", "Mei Tan", "Lyon"),
        ("Ferrum", "Ivan Petrov", "Oslo"),
        ("Nordlys Bank", "Siri Dahl", "Bergen"),
    )
    for relation, other in (("founded_by", person), ("based_in", place))
}


@pytest.mark.parametrize(
    ("form", "export"),
    [
        ("bioc", "bioc.xml"),
        ("brat", "brat"),
        ("docbin", "docbin.spacy"),
        ("doccano", "doccano.jsonl"),
        ("labelstudio", "labelstudio.json"),
        ("prodigy", "prodigy.jsonl"),
        ("pubtator", "pubtator.txt"),
        ("spert", "spert.json"),
        ("webanno", "webanno.tsv"),
    ],
)
def test_an_export_of_each_tool_becomes_a_split(form: str, export: str, tmp_path: Path) -> None:
    if form == "docbin":
        pytest.importorskip("spacy", reason="needs the extra spacy")
    source, out = EXAMPLES / "exports" / export, tmp_path / "samples.jsonl"
    convert = f"data convert {source} --format {form} --negative no_relation --out {out}"
    assert main(convert.split()) == 0
    samples = read_samples(out)
    triples = [
        (s.head_text, s.relation, s.tail_text) for s in samples if s.relation != "no_relation"
    ]
    assert (set(triples), len(triples), len(samples)) == (TRIPLES, 8, 12)
    split = f"data split {out} --shots 2 --test 0.25 --out {tmp_path}/split"
    assert main(split.split()) == 0
    parts = [read_samples(tmp_path / "split" / f"{name}.jsonl") for name in ("train", "test")]
    assert [len(part) for part in parts] == [6, 3]
    assert not {s.text for s in parts[0]} & {s.text for s in parts[1]}


@pytest.mark.slow
def test_the_script_for_exports(tmp_path: Path) -> None:
    export = EXAMPLES / "exports" / "doccano.jsonl"
    path = f"{programs(tmp_path)}{os.pathsep}{os.environ['PATH']}"
    said = run("bash", EXAMPLES / "annotations.sh", export, "doccano", tmp_path / "out", PATH=path)
    assert "12 samples of 3 relations" in said
    assert "3 of 12 held out for testing" in said


@pytest.mark.slow
def test_a_spreadsheet_becomes_a_report(tmp_path: Path) -> None:
    script, sheet, out = EXAMPLES / "spreadsheet.sh", EXAMPLES / "fieldnotes.csv", tmp_path / "out"
    commands = re.findall(r"^relgen ", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) < 6
    path = f"{programs(tmp_path)}{os.pathsep}{os.environ['PATH']}"
    said = run("bash", script, sheet, out, PATH=path)
    assert "63 samples of 4 relations" in said
    assert "22 of 63 held out for testing" in said
    parts = [read_samples(out / "split" / f"{name}.jsonl") for name in ("pool", "test")]
    assert not {s.text for s in parts[0]} & {s.text for s in parts[1]}
    assert "micro-F1 on 22 test" in (out / "run" / "report.md").read_text(encoding="utf-8")


def programs(folder: Path) -> Path:
    """Return a folder with a program `relgen`."""
    program = folder / "relgen"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m relgen.cli.main "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.mark.slow
def test_from_a_trained_folder_to_a_service(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = f"{programs(tmp_path)}{os.pathsep}{os.environ['PATH']}"
    said = run("bash", EXAMPLES / "serve.sh", folder, PORT=port, PATH=path)
    assert f"serving {folder} at http://127.0.0.1:{port}" in said
    (relation,) = re.findall(r'"relation":"(\w+)","probability"', said)
    assert f'relgen_predictions_total{{relation="{relation}"}} 1.0' in said
    assert said.endswith("stopped\n")


@pytest.mark.slow
def test_spacy_extracts_triples_from_a_paragraph(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="needs the extra spacy")
    said = run(
        sys.executable, EXAMPLES / "spacy_triples.py", folder, PYTHONPATH=installed(tmp_path)
    )
    triples = [line.split("\t") for line in said.splitlines()]
    # 3, 1 and 6 pairs of entities in three sentences, each with a relation in one way or both
    assert 10 <= len(triples) <= 20
    pairs = {frozenset((head, tail)) for head, _, tail, _ in triples}
    assert {
        frozenset(pair) for pair in (("Ann", "Acme"), ("Ben", "Acme"), ("Ben", "Turin"))
    } < pairs
    assert {relation for _, relation, _, _ in triples} <= {"founded", "lives_in"}


@pytest.mark.slow
def test_onnx_without_torch(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    out = tmp_path / "onnx"
    compared = tmp_path / "compared.jsonl"
    text, firm, person = "Ann founded Acme in 1990.", Entity(12, 16), Entity(0, 3)
    write_samples(compared, [Sample("1", text, firm, person, "founded")])
    line = ["export", str(folder), "--to", "onnx", "--samples", str(compared), "--out", str(out)]
    assert main([*line, "--int8-differing", "1"]) == 0
    script = EXAMPLES / "onnx_without_torch.py"
    said = run(sys.executable, script, out, PYTHONPATH=str(out)).splitlines()
    assert len(said) == 3
    assert re.fullmatch(r"(founded|lives_in)\t[01]\.\d\d\tAnn founded Acme in 1990\.", said[0])
    assert said[2] == "torch is loaded: False"


@pytest.mark.slow
def test_a_corpus_through_ray(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    rows = [sample.to_json() for sample in read_split("test")[:30]]
    write_jsonl(tmp_path / "s.jsonl", [{key: row[key] for key in _UNLABELLED} for row in rows])
    path = f"{programs(tmp_path)}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}"
    path += os.environ["PATH"]
    script = ("bash", EXAMPLES / "corpus_with_ray.sh", folder, tmp_path / "s.jsonl")
    said = run(*script, tmp_path / "corpus", "8", PATH=path).splitlines()
    counts = dict(line.split("\t") for line in said[1:])
    assert counts.keys() <= {"founded", "lives_in"}
    assert sum(map(int, counts.values())) == 30
    names = [f"part-0000{number}.parquet" for number in range(4)]
    assert sorted(file.name for file in (tmp_path / "corpus" / "out").glob("*.parquet")) == names


@pytest.mark.slow
def test_suggested_sentences_bring_more_than_a_random_draw() -> None:
    said = run(sys.executable, EXAMPLES / "suggest_pays.py", "8", "72", "10")
    means = {
        name: float(mean) for name, mean in re.findall(r"(\w+) (\d+\.\d)", said.split("\n")[0])
    }
    assert means["suggested"] >= means["random"] > means["before"] - 2


@pytest.mark.slow
def test_a_review_raises_the_score(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    path = f"{programs(tmp_path)}{os.pathsep}{os.environ['PATH']}"
    line = (sys.executable, EXAMPLES / "review_pays.py", tmp_path / "out", "--steps", "60")
    said = run(*line, PATH=path)
    assert "60 of 60 sentences reviewed in 8.0 minutes" in said
    report = (tmp_path / "out" / "split1" / "run" / "report.md").read_text()
    assert "People reviewed 60 sentences in 8.0 minutes" in report
    (points,) = re.findall(r"in \S+ it gained (\d+\.\d) points of micro-F1", report)
    assert float(points) > 0
    assert said.endswith(f"the review brought +{points} points of micro-F1\n")


def test_the_image_installs_and_runs_what_exists() -> None:
    text = (EXAMPLES / "Dockerfile").read_text(encoding="utf-8")
    (extras,) = re.findall(r'"\.\[(\w+)\]"', text)
    assert extras in PROJECT["optional-dependencies"]
    copied = re.findall(r"^COPY (?![$-])(.+) \S+$", text, re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    (words,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", text, re.MULTILINE)
    line = [word.strip(' "') for word in words.split(",")]
    options = parse_options(Options, "serve", line[2:])
    assert options is not None
    assert (line[:2], options.model, options.host) == (["relgen", "serve"], "/model", "0.0.0.0")


def installed(folder: Path) -> str:
    """Return a path on which relgen has the entry points of pyproject.toml, as once installed."""
    about = folder / "site" / f"relgen_re-{PROJECT['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Name: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    lines = []
    for group, entries in PROJECT["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return f"{about.parent}{os.pathsep}{ROOT}"
