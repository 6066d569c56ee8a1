"""Label patches."""

import json

import pytest

from relgen.corpora.patch import LabelPatch
from relgen.errors import InputError
from relgen.samples import Entity, Sample

SAMPLES = [
    Sample(key, "Ann in Bern", Entity(0, 3), Entity(7, 11), "old") for key in ("a", "b", "c")
]


def _file(tmp_path, content):
    path = tmp_path / "patch.json"
    path.write_text(json.dumps(content))
    return path


def test_named_samples_get_their_new_label(tmp_path):
    patch = LabelPatch(_file(tmp_path, {"b": "new", "z": "new"}))
    assert [sample.relation for sample in patch.apply(SAMPLES)] == ["old", "new", "old"]
    assert (patch.applied, len(patch)) == (1, 2)


def test_a_patch_for_other_samples_raises(tmp_path):
    patch = LabelPatch(_file(tmp_path, {"z": "new"}))
    with pytest.raises(InputError, match=r"patch\.json: no sample has any of its 1 ids.*'z'"):
        list(patch.apply(SAMPLES))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([["a", "new"]], "a patch is one JSON object"),
        ({"a": 3}, r"field 'a': a relation is a text \(got 3\)"),
        ({"a": ""}, "field 'a': a relation is a text"),
    ],
)
def test_other_documents_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        LabelPatch(_file(tmp_path, content))
