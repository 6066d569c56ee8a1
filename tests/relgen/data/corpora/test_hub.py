"""`datasets.load_dataset` on local folders."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from relgen.common.errors import InputError
from relgen.data.corpora import hub
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("hub")


TAGGED = "<e1>People</e1> have moved into <e2>downtown</e2>."
TEXT = "People have moved into downtown."


def _parquet(tmp_path, rows, features=None, split="train"):
    folder = tmp_path / "corpus"
    folder.mkdir()
    Dataset.from_list(rows, features=features).to_parquet(folder / f"{split}.parquet")
    return folder


def test_tagged_sentences_with_class_labels(tmp_path):
    labels = ClassLabel(names=["Other", "Entity-Destination(e1,e2)"])
    folder = _parquet(
        tmp_path,
        [{"sentence": TAGGED, "relation": 1}, {"sentence": TAGGED, "relation": 0}],
        Features({"sentence": Value("string"), "relation": labels}),
    )
    columns = hub.KNOWN["SemEvalWorkshop/sem_eval_2010_task_8"]
    first, second = read(folder, columns=columns)
    assert first == Sample(
        "corpus-train-1", TEXT, Entity(0, 6), Entity(23, 31), "Entity-Destination(e1,e2)"
    )
    assert (second.id, second.relation) == ("corpus-train-2", "Other")


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"text": TEXT, "relation": "r", "head": [0, 6], "tail": [23, 31]}, None),
        ({"t": TAGGED, "label": "r"}, {"text": "t", "relation": "label"}),
        (
            {
                "text": TEXT,
                "rel": "r",
                "h": {"start": 0, "end": 6},
                "tail": {"pos": [23, 31]},
            },
            {"relation": "rel", "head": "h"},
        ),
        (
            {
                "token": ["People", "have", "moved", "into", "downtown."],
                "relation": "r",
                "h": {"name": "people", "pos": [0, 1]},
                "t": {"name": "downtown", "pos": [4, 5]},
            },
            {"tokens": "token", "head": "h", "tail": "t"},
        ),
    ],
)
def test_columns_of_several_shapes(tmp_path, row, columns):
    (sample,) = read(_parquet(tmp_path, [row]), columns=columns)
    assert (sample.text, sample.relation, sample.head_text) == (TEXT, "r", "People")
    assert sample.tail_text.startswith("downtown")


def test_malformed_rows_are_named_and_skipped(tmp_path):
    rows = [{"text": TAGGED, "relation": "r"}, {"text": "no tags", "relation": "r"}]
    folder = _parquet(tmp_path, rows)
    with pytest.raises(InputError, match=r"record train\[2\]: neither columns for head"):
        list(read(folder))
    checks = RecordChecks(folder, skip_bad=True)
    assert len(list(read(folder, checks=checks))) == 1
    assert checks.skipped == 1


def test_a_split_that_cannot_be_loaded(tmp_path):
    folder = _parquet(tmp_path, [{"text": TAGGED, "relation": "r"}])
    with pytest.raises(
        InputError, match=r"split 'test' cannot be loaded: .*check the split's name"
    ):
        list(read(folder, split_name="test"))
    with pytest.raises(InputError, match="check the id, the split and the network"):
        list(read(Path("nobody/nothing")))


def test_a_file_is_read_as_its_ending_says(tmp_path):
    (tmp_path / "t.csv").write_text(f"text,relation\n{TAGGED},NA\n", encoding="utf-8")
    assert [sample.relation for sample in read(tmp_path / "t.csv")] == ["NA"]
    (tmp_path / "a.zip").write_text("x")
    with pytest.raises(InputError, match=r"this file cannot be loaded; give a file ending in .csv"):
        list(read(tmp_path / "a.zip"))
