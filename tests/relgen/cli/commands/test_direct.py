"""`relgen direct` on the embedded model, by all ways to answer."""

import json
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import write_samples
from relgen.data.schema import load_schema

pytestmark = pytest.mark.compute


@pytest.mark.weights
@pytest.mark.parametrize("answer", ["likelihood", "constrained", "free"])
def test_the_command_on_the_embedded_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    for name in ("train", "test"):
        write_samples(tmp_path / f"{name}.jsonl", read_split(name)[:6])
    files = [f"--{name}={tmp_path / name}.jsonl" for name in ("train", "test")]
    out = tmp_path / answer
    command = ["direct", *files, "--schema", "everyday", "--answer", answer, "--out", str(out)]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith("6 sentences: micro-F1 ")
    lines = [json.loads(x) for x in (out / "predictions.jsonl").read_text().splitlines()]
    assert {line["relation"] for line in lines} <= {*load_schema("everyday").labels, None}
    if answer != "free":
        assert all(sum(x["scores"].values()) == pytest.approx(1, abs=1e-5) for x in lines)
        assert all(x["scores"][x["relation"]] == x["score"] for x in lines)
