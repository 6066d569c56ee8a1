"""Nested, crossing, identical and adjacent entities, from an export to a prediction."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import relgen
from relgen.cli import main as cli
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.data.schema import Relation, RelationSchema
from relgen.data.tagged_text import parse, render
from relgen.dpo.preference_pairs import read_chains
from tests.relgen.generation.loopback import loopback
from tests.tiny.encoders import save_encoder
from tests.tiny.experiments import preset
from tests.tiny.language_models import save_writing_model

SCHEMA = RelationSchema(
    "places",
    (Relation("in", "The head is in the tail."), Relation("of", "The head is of the tail.")),
    None,
)
CONTEXTS = [
    "{} opened its doors on Monday.",
    "Many students admire {} for its library.",
    "We drove past {} before lunch.",
    "Last winter {} won a prize for chemistry.",
    "Nobody inside {} had heard the news.",
    "They built a new wing beside {} in spring.",
    "Critics wrote kindly about {} last year.",
    "The mayor thanked {} because of a concert.",
    "Rain damaged the roof of {} again.",
    "Old furniture from {} sells cheaply.",
    "My sister paints {} whenever she can.",
    "Is {} as large as people say?",
]
WRITTEN = [
    "Two foxes slept near {} all morning.",
    "Please send this parcel towards {} without delay.",
    "Her uncle once worked for {} as a gardener.",
    "Pigeons love {} more than anything else.",
    "Until yesterday {} was closed to visitors.",
    "Every guide mentions {} on page nine.",
    "Its tower makes {} visible from far away.",
    "Lightning struck {} twice within an hour.",
    "Because of fog {} could not be seen.",
    "Someone sang quietly behind {} at midnight.",
]
NAMES = [
    "Bern",
    "Turin",
    "Lima",
    "Oslo",
    "Cairo",
    "Quito",
    "Delhi",
    "Sofia",
    "Porto",
    "Minsk",
    "Hanoi",
    "Accra",
]


def samples(contexts: list[str] = CONTEXTS) -> list[Sample]:
    """Return sentences whose entities are nested, cross, are the same, or touch."""
    found = []
    for relation, shift in (("in", 0), ("of", 6)):
        for number, name in enumerate(NAMES):
            context = contexts[(number + shift) % len(contexts)]
            mention, head, tail = [
                (f"University of {name}", f"University of {name}", name),
                (f"{name} City Hall", f"{name} City", "City Hall"),
                (name, name, name),
                (f"{name} Museum", name, f"{name} Museum"),
                (f"{name} harbour", name, "harbour"),
            ][number % 5]
            start, text = context.index("{}"), context.replace("{}", mention)
            spans = [start + mention.index(part) for part in (head, tail)]
            entities = [
                Entity(first, first + len(part), kind)
                for first, part, kind in zip(spans, (head, tail), ("A", "B"), strict=True)
            ]
            found.append(Sample(f"{relation}{number}", text, *entities, relation))
    return found


def export(path: Path, sentences: list[Sample]) -> None:
    """Write sentences as an annotation tool does."""
    rows = []
    for number, one in enumerate(sentences):
        entities = [
            {"id": key, "label": e.type, "start_offset": e.start, "end_offset": e.end}
            for key, e in ((2 * number, one.head), (2 * number + 1, one.tail))
        ]
        relation = {"id": 1, "from_id": 2 * number, "to_id": 2 * number + 1, "type": one.relation}
        rows.append({"id": one.id, "text": one.text, "entities": entities, "relations": [relation]})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def parts(sample: Sample) -> tuple[object, ...]:
    return sample.text, sample.head, sample.tail, sample.relation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SCHEMA.save(tmp_path / "schema.yaml")
    export(tmp_path / "export.jsonl", samples())
    out = f"--out {tmp_path}/all.jsonl"
    cli.run(f"data convert --format doccano {tmp_path}/export.jsonl {out}".split())
    return tmp_path


def test_files_and_chains_keep_the_entities(folder: Path) -> None:
    converted = read_samples(folder / "all.jsonl")
    assert list(map(parts, converted)) == list(map(parts, samples()))
    cli.run(f"data split {folder}/all.jsonl --shots 8 --out {folder}/split".split())
    train = read_samples(folder / "split" / "train.jsonl")
    assert len(train) == 16
    schema = f"--schema {folder}/schema.yaml --chains-per-relation 2"
    out = f"--out {folder}/chains.jsonl"
    cli.run(f"chains {folder}/split/train.jsonl {schema} {out}".split())
    for chain in read_chains(folder / "chains.jsonl"):
        for pair in chain.pairs:
            for one in (pair.chosen, pair.rejected):
                assert parse(render(one, types=True)) == (one.text, one.head, one.tail)


def writer() -> Callable[[dict[str, Any]], str]:
    lines, lock = itertools.cycle(map(render, samples(WRITTEN))), threading.Lock()

    def write(_: dict[str, Any]) -> str:
        with lock:
            return next(lines)

    return write


@pytest.mark.slow
def test_an_experiment_and_a_prediction(folder: Path) -> None:
    every = read_samples(folder / "all.jsonl")
    write_samples(folder / "test.jsonl", every[::3])
    write_samples(folder / "train.jsonl", [one for n, one in enumerate(every) if n % 3])
    with loopback(write=writer()) as server:
        generator = preset("generate/server_obo", folder, server__base_url=server.url, chains=1)
        classifier = {
            "trainer__max_steps": 2,
            "model__init_args__classifier__init_args__model": save_encoder(folder / "bert"),
        }
        experiment = {
            "corpus": {
                name: f"{folder}/{file}"
                for name, file in (
                    ("train", "train.jsonl"),
                    ("test", "test.jsonl"),
                    ("schema", "schema.yaml"),
                )
            },
            "shots": 3,
            "arms": ["human", "obo_mix"],
            "generator": {"model": "served", "samples": 3, "obo": generator},
            "label": {"model": str(save_writing_model(folder / "llama"))},
            "classifiers": [preset("classifier/entity_marker", folder, **classifier)],
        }
        path = folder / "experiment.yaml"
        path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
        cli.run(["run", str(path), "--out", str(folder / "out")])
    labelled = read_samples(next((folder / "out").rglob("labelled.jsonl")))
    assert any(one.overlapping for one in labelled)
    model = next((folder / "out").rglob("train-obo_mix-*/model"))
    predictions = relgen.load_classifier(model).predict_samples(every)
    assert {one.relation for one in predictions} <= {"in", "of"}
    text = "We saw the University of Bern."
    predicted = relgen.load_classifier(model).predict(text, head="University of Bern", tail="Bern")
    assert predicted.relation in ("in", "of")
