"""`relgen data card`: a dataset folder from generated samples."""

import json

from relgen.data.corpora.everyday import read_split
from relgen.data.samples import read_samples
from tests.relgen.cli.commands.data_command import run


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
    assert "2 samples of 1 relation and a card" in capsys.readouterr().out
