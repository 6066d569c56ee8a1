"""Label patches in both forms, and what becomes of samples that they do not name."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.patch import LabelPatch
from relgen.data.samples import Entity, Sample
from relgen.data.schema import load_schema

SAMPLES = [
    Sample(key, "Ann in Bern", Entity(0, 3), Entity(7, 11), "old") for key in ("a", "b", "c")
]


def _file(tmp_path, content):
    path = tmp_path / "patch.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        {"y": "new", "b": "new", "z": "new"},
        [{"id": key, "relation": "new"} for key in ("y", "b", "z")],
        [{"id": key, "relation": "new", "note": 1} for key in ("y", "b", "z")],
    ],
)
def test_named_samples_get_their_new_label(tmp_path, content):
    patch = LabelPatch(_file(tmp_path, content))
    assert [sample.relation for sample in patch.apply(SAMPLES)] == ["old", "new", "old"]
    assert (list(patch.missing), patch.others) == (["y", "z"], 2)


@pytest.mark.parametrize(
    "content",
    [{"c": "new", "a": "old"}, [{"id": "c", "relation": "new"}, {"id": "a", "relation": "old"}]],
)
def test_the_others_are_dropped_when_asked(tmp_path, content):
    patch = LabelPatch(_file(tmp_path, content), drop_others=True)
    kept = [(sample.id, sample.relation) for sample in patch.apply(SAMPLES)]
    assert kept == [("a", "old"), ("c", "new")]
    assert (list(patch.missing), patch.others) == ([], 1)


@pytest.mark.parametrize("drop_others", [False, True])
def test_a_patch_for_other_samples_raises(tmp_path, drop_others):
    patch = LabelPatch(_file(tmp_path, {"z": "new"}), drop_others=drop_others)
    with pytest.raises(
        InputError, match=r"patch\.json: no sample has any of the patch's 1 id.*'z'"
    ):
        list(patch.apply(SAMPLES))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("new", r"a patch is a JSON object or array \(got 'new'\)"),
        ([["a", "new"]], r"field '\[1\]': an entry must be .*\(got \['a', 'new'\]\)"),
        ([{"id": "a", "relation": "x"}, {"relation": "new"}], r"field '\[2\]': an entry must be"),
        ([{"id": 3, "relation": "new"}], r"field '\[1\]': an entry must be"),
        ([{"id": "a"}], r"field '\[1\]': an entry must be .*\(got \{'id': 'a'\}\)"),
        ({"a": 3}, r"field '\[1\]': an entry must be .*\(got \{'id': 'a', 'relation': 3\}\)"),
        ({"a": ""}, r"'relation': ''\}\)"),
    ],
)
def test_other_documents_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        LabelPatch(_file(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path / "patch.json"))
    assert "; write {" in str(caught.value)


def test_an_id_that_stands_twice_must_have_one_label(tmp_path):
    entries = [{"id": "a", "relation": "x"}, {"id": "b", "relation": "x"}]
    assert LabelPatch(_file(tmp_path, [*entries, *entries])).labels == {"a": "x", "b": "x"}
    path = _file(tmp_path, [*entries, {"id": "b", "relation": "y"}])
    with pytest.raises(InputError, match=r"field 'b': the id also has the label 'x' \(got 'y'"):
        LabelPatch(path)


def test_retacreds_patch_is_known_by_its_labels(tmp_path):
    new = sorted(set(load_schema("retacred").labels) - set(load_schema("tacred").labels))
    assert len(new) == 4
    for label in new:
        assert LabelPatch(_file(tmp_path, {"a": "no_relation", "b": label})).is_retacreds
    for label in load_schema("tacred").labels:
        assert not LabelPatch(_file(tmp_path, [{"id": "a", "relation": label}])).is_retacreds
