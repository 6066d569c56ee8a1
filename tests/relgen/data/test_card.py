"""The dataset folder: it loads, and its card says what it must."""

from dataclasses import replace

import pytest
import yaml
from datasets import load_dataset

from relgen.common.errors import InputError
from relgen.data.arrow import FEATURES
from relgen.data.card import write_dataset_folder
from relgen.data.options import CardOptions
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.data.schema import parse_schema

SCHEMA = parse_schema(
    {
        "name": "tiny",
        "negative": "none",
        "relations": {
            "lives_in": {"explanation": "The head lives in the tail | always."},
            "none": {"explanation": "Neither."},
        },
    }
)


def _made(key, relation="lives_in", **provenance):
    return Sample(
        key,
        "Ann has lived in the old town of Bern",
        Entity(0, 3),
        Entity(33, 37),
        relation,
        "generated",
        provenance,
    )


def write(generated, out, license="cc0-1.0"):
    SCHEMA.save(out.parent / "schema.yaml")
    files, schema = [str(path) for path in generated], str(out.parent / "schema.yaml")
    return write_dataset_folder(
        CardOptions(generated=files, schema=schema, license=license, out=str(out))
    )


@pytest.fixture
def generated(tmp_path):
    path = tmp_path / "generated.jsonl"
    write_samples(
        path,
        [
            _made("1", model="smollm2-135m-instruct", adapter="/home/ann/runs/adapter", step=1),
            _made("2", model="smollm2-135m-instruct", mode="obo", relgen_version="0.1.0"),
        ],
    )
    return path


def _front(folder):
    _, front, body = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_folder_loads_with_datasets(tmp_path, generated):
    counts = write([generated], tmp_path / "out", "cc-by-3.0")
    assert counts == {"lives_in": 2}
    table = load_dataset(str(tmp_path / "out"), split="train")
    inside = FEATURES.keys() - {"scores", "review"}
    assert table.features == {key: FEATURES[key] for key in inside}
    assert table["id"] == ["1", "2"]
    assert table[0]["provenance"]["step"] == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "train.jsonl",
    ]


def test_labelled_samples_load_with_a_probability_for_each_relation(tmp_path, generated):
    scores = {label: 1 / len(SCHEMA) for label in SCHEMA.labels}
    samples = [replace(sample, scores=scores) for sample in read_samples(generated)]
    write_samples(generated, samples)
    write([generated], tmp_path / "out", "cc-by-3.0")
    table = load_dataset(str(tmp_path / "out"), split="train")
    assert [row["scores"] for row in table] == [scores, scores]


def test_a_reviewer_is_not_published_and_outweighs_the_probabilities(tmp_path, generated):
    scores = {label: float(label == "none") for label in SCHEMA.labels}
    first, second = read_samples(generated)
    write_samples(generated, [replace(first, scores=scores, review={"reviewer": "ann"}), second])
    write([generated], tmp_path / "out", "cc-by-3.0")
    assert "ann" not in (tmp_path / "out" / "train.jsonl").read_text()
    table = load_dataset(str(tmp_path / "out"), split="train")
    assert table["relation"] == ["lives_in", "lives_in"]
    assert table[0].get("scores") is None


def test_the_card_says_how_it_was_made(tmp_path, generated):
    write([generated], tmp_path / "out", "cc-by-3.0")
    front, body = _front(tmp_path / "out")
    assert front["license"] == "cc-by-3.0"
    assert front["language"] == ["en"]
    assert front["task_categories"] == ["text-classification"]
    assert front["size_categories"] == ["n<1K"]
    assert "relation-extraction" in front["tags"]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
    assert "# Generated training samples for tiny" in body
    assert "| `lives_in` | 2 | The head lives in the tail \\| always. |" in body
    assert "| `none` | 0 | Neither. |" in body
    assert "| model | `smollm2-135m-instruct` |" in body
    assert "| mode | `not known`, `obo` |" in body
    assert "under `cc-by-3.0`" in body


def test_paths_of_the_machine_stay_at_home(tmp_path, generated):
    write([generated], tmp_path / "out", "cc-by-3.0")
    for name in ("README.md", "train.jsonl"):
        assert "/home/ann" not in (tmp_path / "out" / name).read_text("utf-8")
    assert read_samples(tmp_path / "out" / "train.jsonl")[0].provenance["adapter"] == "adapter"


def test_a_licence_that_the_hub_does_not_know_gets_a_name(tmp_path, generated):
    write([generated], tmp_path / "out", "LDC User Agreement")
    front, _ = _front(tmp_path / "out")
    assert (front["license"], front["license_name"]) == ("other", "ldc-user-agreement")
    with pytest.raises(InputError, match="field 'license'"):
        write([generated], tmp_path / "out", " ")


def test_several_files_become_one_set(tmp_path, generated):
    write_samples(tmp_path / "b.jsonl", [_made("3", "none")])
    paths = [generated, tmp_path / "b.jsonl"]
    counts = write(paths, tmp_path / "out", "cc0-1.0")
    assert counts == {"lives_in": 2, "none": 1}
    write_samples(tmp_path / "b.jsonl", [_made("2")])
    with pytest.raises(InputError, match=r"b\.jsonl: field 'id': .*generated\.jsonl.*got '2'"):
        write(paths, tmp_path / "out", "cc0-1.0")


def test_labelled_samples_are_refused(tmp_path):
    sample = Sample("1", "Ann in Bern", Entity(0, 3), Entity(7, 11), "none")
    write_samples(tmp_path / "human.jsonl", [sample])
    with pytest.raises(InputError, match=r"human\.jsonl: field 'source': sample '1' is not g"):
        write([tmp_path / "human.jsonl"], tmp_path / "out", "cc0-1.0")
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_relations_must_be_the_schema_s(tmp_path):
    write_samples(tmp_path / "g.jsonl", [_made("1", "works_in")])
    with pytest.raises(InputError, match=r"g\.jsonl:1: .*'works_in'"):
        write([tmp_path / "g.jsonl"], tmp_path / "out", "cc0-1.0")


def test_a_file_of_which_nothing_was_accepted_adds_nothing(tmp_path, generated):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert write([empty, generated], tmp_path / "out").total() == 2
    with pytest.raises(
        InputError, match=r"empty\.jsonl: no draft was accepted; see rejected\.jsonl"
    ):
        write([empty], tmp_path / "none")
    with pytest.raises(InputError, match="no such file"):
        write([tmp_path / "x.jsonl", generated], tmp_path / "none")
    assert not list(tmp_path.glob("none/*"))


def test_nothing_in_a_card_takes_effect(tmp_path, generated):
    hostile = replace(SCHEMA.relations[0], explanation="<script>x</script> ![a](http://b.c) *d*")
    schema = replace(SCHEMA, relations=(hostile, SCHEMA.relations[1]))
    schema.save(tmp_path / "hostile.yaml")
    write_dataset_folder(
        CardOptions(
            generated=[str(generated)],
            schema=str(tmp_path / "hostile.yaml"),
            license="`<b>`",
            title="<img src=x>",
            out=str(tmp_path / "out"),
        )
    )
    _, body = _front(tmp_path / "out")
    assert "<img" not in body
    assert "<script" not in body
    assert r"!\[a\](http:&#47;&#47;b.c) \*d\* |" in body
    assert "under `` `<b>` ``." in body
