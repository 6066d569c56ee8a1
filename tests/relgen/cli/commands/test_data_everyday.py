"""`relgen data everyday`: the shipped corpus as files."""

from datasets import load_dataset

from relgen.data.corpora.everyday import read_split
from relgen.data.samples import read_samples
from relgen.data.schema import load_schema
from tests.relgen.cli.commands.data_command import run


def test_everyday_writes_the_corpus_its_schema_and_its_card(tmp_path):
    run("everyday", "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "dev.jsonl",
        "schema.yaml",
        "test.jsonl",
        "train.jsonl",
    ]
    assert read_samples(tmp_path / "test.jsonl") == read_split("test")
    assert load_schema(tmp_path / "schema.yaml") == load_schema("everyday")


def test_the_everyday_folder_loads_with_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    run("everyday", "--out", tmp_path / "everyday")
    table = load_dataset(str(tmp_path / "everyday"))
    assert {name: len(part) for name, part in table.items()} == {
        "train": 216,
        "validation": 72,
        "test": 216,
    }
