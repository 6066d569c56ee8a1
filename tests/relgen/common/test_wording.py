"""Which names are suggested for which typos, and numbers of things."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

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


ROOT = Path(__file__).parents[3]
THINGS = [
    "samples",
    "records",
    "labels",
    "relations",
    "stages",
    "jobs",
    "sentences",
    "chains",
    "pairs",
    "tasks",
    "models",
    "answers",
    "weights",
    "ids",
    "cells",
    "seeds",
    "columns",
    "entities",
    "shards",
    "words",
    "rows",
    "files",
]
# numbers that are never 1, or no number of the things
NOT_COUNTED = {
    "relgen/classifiers/pipeline.py: {samples_for(float(coverage))} samples",
    "relgen/cli/commands/diversity.py: {max(drawn.values())} sentences",
    "relgen/data/corpora/drugprot.py: {wanted} columns",
    "relgen/data/corpora/tables.py: {len(cells)} cells",
    "relgen/data/corpora/tacred.py: {read} samples",
    "relgen/data/corpora/webanno.py: {width} columns",
    "relgen/data/splits.py: {number} samples",
    "relgen/data/validation.py: {skipped} records",
    "relgen/deployment/requests.py: {max_sentences} sentences",
    "relgen/generation/chain_memory.py: {total} chains",
    "relgen/models/verification.py: {name} models",
    "relgen/prediction/predictor.py: {self.most_pairs} pairs",
    "relgen/reporting/findings.py: {count} seeds",
    "datamodules/utils/relation_checks.py: {name} samples",
    "datamodules/utils/relation_checks.py: {parts} samples",
    "lightning_modules/callbacks/after_training.py: {others} sentences",
}


def numbers_of_things() -> Iterator[str]:
    """Yield where a message has a value and then the plural of a thing."""
    for folder in ("relgen", "lightning_modules", "datamodules"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                parts = node.values if isinstance(node, ast.JoinedStr) else []
                for value, text in pairwise(parts):
                    if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                        found = re.match(rf" ({'|'.join(THINGS)})\b", str(text.value))
                        if found:
                            place = path.relative_to(ROOT).as_posix()
                            yield f"{place}: {{{ast.unparse(value.value)}}} {found[1]}"


def test_messages_count_things_in_words():
    """Use `counted` for a number that can be 1, or add it to `NOT_COUNTED`."""
    assert set(numbers_of_things()) == NOT_COUNTED
