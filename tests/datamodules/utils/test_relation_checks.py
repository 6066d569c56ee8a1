"""Data that a classifier cannot be trained on, or should not."""

from dataclasses import replace

import pytest

from relgen.classifiers.encoding import MarkerEncoding
from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from tests.datamodules.relation_data import made, sources
from tests.tiny.encoders import SCHEMA, samples, tokenizer


def test_one_most_probable_relation_is_enough_where_labels_are_probabilities(files):
    scores = dict.fromkeys(SCHEMA.labels, 1 / len(SCHEMA))
    label = SCHEMA.labels[0]
    written = [
        replace(one, scores=scores, relation=label) for one in samples(3, source="generated")
    ]
    write_samples(files / "generated.jsonl", written)
    assert sources(made(files, give=("generated",), mix="pure")) == [{True}] * 10


def test_one_relation_is_not_enough(files):
    write_samples(files / "human.jsonl", samples(12)[::3])
    with pytest.raises(InputError, match=r"one relation only.*'cause'"):
        made(files, give=("human",))


def test_an_unknown_relation_is_named_with_its_line(files):
    first, second = samples(2)
    write_samples(files / "human.jsonl", [first, second.with_relation("prat")])
    with pytest.raises(InputError, match=r"human\.jsonl:2: .*'prat'.*did you mean part"):
        made(files, give=("human",))


def test_an_empty_file_is_refused(files):
    (files / "human.jsonl").write_text("")
    with pytest.raises(InputError, match=r"human\.jsonl: no records are in this file"):
        made(files, give=("human",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"give": ("human",), "mix": "mix"}, r"`mix: mix` needs a file of generated samples"),
        ({"give": ("human",), "mix": "pure"}, r"`mix: pure` needs a file of generated samples"),
        ({"give": ("generated",), "mix": "human"}, r"`mix: human` needs a file of human samples"),
        (
            {"give": ("human",), "order": "generated_first"},
            r"`order: generated_first` needs a file",
        ),
        ({"give": ("test",)}, "no training samples"),
        ({"give": ("human",), "stage": "test"}, "`test` needs a samples file"),
        ({"give": ("human",), "stage": "validate"}, "`validate` needs .* --data.validation"),
        ({"give": ("human",), "stage": "predict"}, "`predict` needs a samples file"),
    ],
)
def test_missing_files_are_named(files, options, message):
    with pytest.raises(InputError, match=message):
        made(files, **options)


class _Typed:
    encoding = MarkerEncoding(tokenizer(), types=["PERSON", "PLACE"], max_length=16)

    def config(self) -> dict[str, str]:
        return {"model": "tiny"}


class _TypedModule:
    classifier = _Typed()


def with_types(rows, head, tail):
    return [
        replace(row, head=replace(row.head, type=head), tail=replace(row.tail, type=tail))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("human", "generated", "said"),
    [
        (("PERSON", "PLACE"), ("PERSON", None), "0 of 12 human, 12 of 12 generated samples"),
        (("PERSON", "PLACE"), ("PERSON", "FOOD"), "0 of 12 human, 12 of 12 generated samples"),
        (("PERSON", "PLACE"), ("PLACE", "PERSON"), None),
        ((None, None), (None, None), None),
    ],
)
def test_typed_markers_for_some_samples_only_are_said(files, caplog, human, generated, said):
    write_samples(files / "human.jsonl", with_types(samples(12), *human))
    rows = samples(12, source="generated", skip=12)
    write_samples(files / "generated.jsonl", with_types(rows, *generated))
    data = made(files, give=("human", "generated"))
    data.train_dataloader()
    assert "typed markers" not in caplog.text  # these markers name no types
    data.trainer.strategy._lightning_module = _TypedModule()
    data.train_dataloader()
    if said is None:
        assert "typed markers" not in caplog.text
    else:
        assert f"in {said}: typed markers distinguish these from the others" in caplog.text
