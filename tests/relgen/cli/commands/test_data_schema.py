"""`relgen data schema`: what it writes, says and refuses."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.schema import load_schema
from tests.relgen.cli.commands.data_command import run


@pytest.fixture
def descriptions(tmp_path):
    path = tmp_path / "pid2name.json"
    path.write_text(json.dumps({"P1": ["lies on", "water beside it"], "P2": ["spouse", ""]}))
    return path


def test_writes_a_schema_that_loads(tmp_path, descriptions, capsys):
    out = tmp_path / "new" / "fewrel.yaml"
    run("schema", descriptions, "--out", out)
    schema = load_schema(out)
    assert (schema.name, schema.labels, schema.negative) == ("fewrel", ("P1", "P2"), None)
    assert schema["P1"].explanation == "lies on, from the head to the tail: water beside it"
    assert capsys.readouterr().out == f"a schema of 2 relations -> {out}\n"


def test_takes_samples_a_name_and_a_negative_label(tmp_path, descriptions):
    samples = []
    for name, label in (("train", "spouse"), ("test", "NA")):
        samples.append(tmp_path / f"{name}.jsonl")
        write_samples(samples[-1], [Sample("a", "Ann, Bo", Entity(0, 3), Entity(5, 7), label)])
    out = tmp_path / "schema.yaml"
    run(
        *("schema", descriptions, "--samples", *samples, "--negative", "NA"),
        *("--name", "wiki", "--out", out),
    )
    schema = load_schema(out)
    assert (schema.name, schema.labels, schema.negative) == ("wiki", ("spouse", "NA"), "NA")


def test_does_not_write_over_its_input(descriptions):
    with pytest.raises(InputError, match="this is an input of the command"):
        run("schema", descriptions, "--out", descriptions)
