"""Which names are suggested for which typos, and numbers of things."""

import pytest

from relgen.common.wording import counted, similar_names, statement, suggestion
from relgen.data.corpora import FORMATS

COMMANDS = ["chains", "generate", "diversity", "label", "suggest", "review", "run", "report"]


@pytest.mark.parametrize(
    ("typo", "known", "meant"),
    [
        ("cvs", FORMATS, "csv"),
        ("onx", ["hf", "onnx", "spacy"], "onnx"),
        ("experimnt.yaml", ["a.yaml", "experiment.yaml", "schema.yaml"], "experiment.yaml"),
        ("pareqt", FORMATS, "parquet"),
        ("CSV", FORMATS, "csv"),
        ("xslx", FORMATS, "xlsx"),
        ("genrate", COMMANDS, "generate"),
        ("lable", COMMANDS, "label"),
        ("founded-by", ["founded_by", "works_for"], "founded_by"),
        ("model.betta", ["model.loss", "model.beta"], "model.beta"),
        ("temprature", ["temperature", "top_p"], "temperature"),
    ],
)
def test_a_typo_is_recognised(typo, known, meant):
    assert suggestion(typo, known, "none") == f"did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("conll", FORMATS),
        ("xml", FORMATS),
        ("train", COMMANDS),
        ("sister_of", ["founded_by", "works_for"]),
        ("a", ["b", "c"]),
        ("trainer.abc", ["trainer.max", "trainer.all"]),
        ("data/mine.yaml", ["data/ours.yaml", "data/a.yaml"]),
    ],
)
def test_another_word_is_no_typo(name, known):
    assert suggestion(name, known, "none") == "none"


def test_the_likeliest_come_first():
    assert similar_names("part", ["parts", "port", "art", "apart", "whole"], 3) == [
        "parts",
        "apart",
        "art",
    ]
    assert similar_names("", ["a", ""]) == [""]


def test_one_of_a_thing_has_no_plural():
    assert [counted(n, "sample") for n in (0, 1, 2)] == ["0 samples", "1 sample", "2 samples"]
    assert counted(2, "entity", "entities") == "2 entities"


@pytest.mark.parametrize(
    ("said", "of_one", "of_two"),
    [
        ("have no text", "1 record has no text", "2 records have no text"),
        ("were left out", "1 record was left out", "2 records were left out"),
        ("agree", "1 record agrees", "2 records agree"),
    ],
)
def test_a_verb_agrees_with_the_number(said, of_one, of_two):
    assert [statement(n, "record", said) for n in (1, 2)] == [of_one, of_two]
