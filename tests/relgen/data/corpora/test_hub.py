"""`datasets.load_dataset` on local parquet and JSON files."""

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


def test_a_file_and_ids_of_its_own(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(f'{{"id": 5, "text": "{TAGGED}", "relation": "r"}}\n')
    assert [sample.id for sample in read(path)] == ["5"]


def test_malformed_rows_are_named_and_skipped(tmp_path):
    rows = [{"text": TAGGED, "relation": "r"}, {"text": "no tags", "relation": "r"}]
    folder = _parquet(tmp_path, rows)
    with pytest.raises(InputError, match=r"record train\[2\]: field 'sentence': <e1> is missing"):
        list(read(folder))
    checks = RecordChecks(folder, skip_bad=True)
    assert len(list(read(folder, checks=checks))) == 1
    assert checks.skipped == 1


def test_columns_that_are_not_there(tmp_path):
    folder = _parquet(tmp_path, [{"sentence": TAGGED, "relation": "r"}])
    with pytest.raises(InputError, match="no column for text or tokens among sentence, relation"):
        list(read(folder))
    with pytest.raises(InputError, match=r"columns\.text.*'words'.*its columns: sentence, rel"):
        list(read(folder, columns={"text": "words"}))
    with pytest.raises(InputError, match=r"unknown key.*'txt'.*one of text, tokens"):
        list(read(folder, columns={"txt": "sentence"}))


def test_a_split_or_a_file_that_cannot_be_loaded(tmp_path):
    folder = _parquet(tmp_path, [{"text": TAGGED, "relation": "r"}])
    with pytest.raises(
        InputError, match=r"split 'test' cannot be loaded: .*check the split's name"
    ):
        list(read(folder, split_name="test"))
    (tmp_path / "broken.json").write_text('{"text":\n')
    with pytest.raises(InputError, match=r"cannot be loaded: ArrowInvalid: .*same keys"):
        list(read(tmp_path / "broken.json"))
    with pytest.raises(InputError, match="check the id, the split and the network"):
        list(read(Path("nobody/nothing")))
    (tmp_path / "a.zip").write_text("x")
    with pytest.raises(InputError, match="this file cannot be loaded"):
        list(read(tmp_path / "a.zip"))


def test_labels_of_a_table_that_look_like_missing_values(tmp_path):
    labels = ["NA", "null", "None", "n/a"]
    rows = [f"The <e1>a{n}</e1> is a <e2>b</e2>.,{label}" for n, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(["text,relation", *rows]), encoding="utf-8")
    samples = read(tmp_path / "t.csv")
    assert [sample.relation for sample in samples] == labels


def test_klue_has_inclusive_ends_and_deepke_columns_of_starts(tmp_path):
    text = "김민수는 한빛소프트를 설립했다."
    head, tail = ("한빛소프트", 5, 9), ("김민수", 0, 2)
    keys = ("word", "start_idx", "end_idx")
    row = {"text": text, "relation": "r"}
    klue = row | {
        role: dict(zip(keys, m, strict=True)) for role, m in (("head", head), ("tail", tail))
    }
    (sample,) = read(_parquet(tmp_path, [klue]))
    assert (sample.head, sample.tail) == (Entity(5, 10), Entity(0, 3))
    path = tmp_path / "deepke.csv"
    path.write_text(
        f"text,relation,h,h_offset,t,t_offset\n{text},r,한빛소프트,5,김민수,0\n", "utf-8"
    )
    (sample,) = read(path, columns={"head": "h", "tail": "t"})
    assert (sample.head, sample.tail) == (Entity(5, 10), Entity(0, 3))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5,김민수,1", "field 'tail': the characters at its offsets are '민수는' (got '김민수')"),
        ("x,김민수,0", "a mention alone has no place in the text, and no column head_offset"),
    ],
)
def test_mentions_and_offsets_that_disagree(row, message, tmp_path):
    path = tmp_path / "deepke.csv"
    columns = "text,relation,head,head_offset,tail,tail_offset"
    path.write_text(f"{columns}\n김민수는 한빛소프트를 설립했다.,r,한빛소프트,{row}\n", "utf-8")
    with pytest.raises(InputError) as caught:
        list(read(path))
    assert message in str(caught.value)
