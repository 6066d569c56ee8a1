"""A corpus in twelve languages through every step: converted, split, written, judged, reported."""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from relgen.cli import main as cli
from relgen.common.errors import InputError
from relgen.data.overlap import context_words, jaccard
from relgen.data.samples import Sample, read_samples, write_samples
from relgen.data.tagged_text import render
from relgen.data.text import words
from relgen.dpo.near_copies import NearCopies
from relgen.dpo.preference_pairs import read_chains
from relgen.evaluation.diversity import text
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings, ServerSettings
from tests.relgen.generation.loopback import loopback
from tests.tiny.encoders import save_encoder
from tests.tiny.experiments import preset
from tests.tiny.language_models import save_writing_model
from tests.tiny.languages import BIRTHS_AND_JOBS, LANGUAGES, corpus

every_language = pytest.mark.parametrize("language", LANGUAGES)


def near_copy(sample: Sample, samples: list[Sample]) -> Sample | None:
    """Return a copy with other entities and one word in six changed, if it is near enough."""
    copies = (NearCopies(samples).copy(sample, random.Random(seed)) for seed in range(5))
    own = context_words(sample)
    return next((copy for copy in copies if 0.7 <= jaccard(context_words(copy), own) < 1), None)


def answers(samples: Iterable[Sample]) -> Callable[[dict[str, Any]], str]:
    """Answer one request after the other."""
    lines, lock = iter(map(render, samples)), threading.Lock()

    def write(_: dict[str, Any]) -> str:
        with lock:
            return next(lines)

    return write


@every_language
def test_files_keep_texts_and_mentions(language: str, tmp_path: Path) -> None:
    samples = corpus(language)
    rows = [
        {
            "text": sample.text,
            "h": {"name": sample.head_text, "pos": [sample.head.start, sample.head.end]},
            "t": {"name": sample.tail_text, "pos": [sample.tail.start, sample.tail.end]},
            "relation": sample.relation,
        }
        for sample in samples
    ]
    (tmp_path / "rows.txt").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    out = tmp_path / "samples.jsonl"
    cli.run(f"data convert --format opennre {tmp_path}/rows.txt --out {out}".split())
    assert [(s.text, s.head, s.tail) for s in read_samples(out)] == [
        (s.text, s.head, s.tail) for s in samples
    ]
    assert not any(sample.splits_words() for sample in samples)


@every_language
def test_copies_and_leaks_are_found(language: str, tmp_path: Path) -> None:
    samples, jobs = corpus(language)[:5], corpus(language)[5:]
    near = {sample.id: near_copy(sample, corpus(language)) for sample in samples}
    shot, held_out = [sample for sample in samples if near[sample.id]][:2]
    others = [sample for sample in samples if sample not in (shot, held_out)][:2]
    BIRTHS_AND_JOBS.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "train.jsonl", [shot, *jobs])
    write_samples(tmp_path / "test.jsonl", [held_out])
    drafts = [shot, near[shot.id], held_out, near[held_out.id], *others]
    with loopback(write=answers(draft for draft in drafts if draft)) as server:
        settings = GenerationSettings(
            backend="openai",
            server=ServerSettings(server.url),
            model="served",
            samples=2,
            relations=("born_in",),
        )
        generate(
            settings,
            train=tmp_path / "train.jsonl",
            schema=tmp_path / "schema.yaml",
            forbid=tmp_path / "test.jsonl",
            out=tmp_path / "generated.jsonl",
        )
        asked = json.dumps(server.bodies[0], ensure_ascii=False)
    rejected = [json.loads(line) for line in (tmp_path / "rejected.jsonl").open(encoding="utf-8")]
    assert [row["reason"] for row in rejected] == [
        *("copy_of_demonstration", "near_copy_of_demonstration", "test_leak", "test_leak")
    ]
    written = read_samples(tmp_path / "generated.jsonl")
    assert [(s.text, s.head, s.tail) for s in written] == [(s.text, s.head, s.tail) for s in others]
    named = f"Write in {language}, the language of the samples shown." in asked
    assert named == (language != "English")


@every_language
def test_one_sentence_is_refused_where_words_have_no_spaces(language: str, tmp_path: Path) -> None:
    BIRTHS_AND_JOBS.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "train.jsonl", corpus(language))
    files = {"train": tmp_path / "train.jsonl", "schema": tmp_path / "schema.yaml"}

    def problem() -> str:
        settings = GenerationSettings(
            backend="openai",
            server=ServerSettings("http://127.0.0.1:1/v1", retries=0),
            one_sentence=True,
        )
        with pytest.raises(InputError) as caught:
            generate(settings, out=tmp_path / "generated.jsonl", **files)
        return str(caught.value)

    refused = "--no-one-sentence" in problem()
    assert refused == (language in ("Thai", "Chinese", "Japanese", "Korean"))


@every_language
def test_splits_and_chains(language: str, tmp_path: Path) -> None:
    samples = corpus(language)
    BIRTHS_AND_JOBS.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "all.jsonl", samples)
    leaks = [samples[0], *filter(None, [near_copy(samples[7], samples)])]
    write_samples(
        tmp_path / "test.jsonl",
        [Sample(f"t{n}", s.text, s.head, s.tail, s.relation) for n, s in enumerate(leaks)],
    )
    files = f"--exclude {tmp_path}/test.jsonl --out {tmp_path}/split"
    cli.run(f"data split {tmp_path}/all.jsonl --shots 3 {files}".split())
    train = read_samples(tmp_path / "split" / "train.jsonl")
    assert len(train) == 6
    assert not {samples[0].id, *([samples[7].id] if leaks[1:] else [])} & {s.id for s in train}
    schema = f"--schema {tmp_path}/schema.yaml"
    chains = f"--chains-per-relation 4 --out {tmp_path}/chains.jsonl"
    cli.run(f"chains {tmp_path}/split/train.jsonl {schema} {chains}".split())
    for chain in read_chains(tmp_path / "chains.jsonl"):
        for step, pair in enumerate(chain.pairs):
            if pair.kind == "near_copy":
                shown = {s.id: s for s in chain.demonstrations(step)}
                source = shown[pair.rejected.id.removesuffix("~near_copy")]
                assert 0.4 < jaccard(context_words(source), context_words(pair.rejected)) < 1
                assert pair.rejected.head_text != pair.rejected.tail_text


@every_language
def test_diversity_sees_repetitions(language: str) -> None:
    births = [words(sample.text) for sample in corpus(language)[:5]]
    different, repeated = text.distinct(births, 2), text.distinct([*births, *births], 2)
    assert different is not None
    assert different > 0.8
    assert repeated == pytest.approx(different / 2)
    assert (text.self_bleu(births) or 0) < 0.2
    assert text.self_bleu([births[0]] * 2) == 1


@pytest.mark.slow
@every_language
def test_an_experiment(language: str, tmp_path: Path) -> None:
    samples = corpus(language)
    held_out = [sample for sample in samples if sample.id[-1] in "49"]
    write_samples(tmp_path / "test.jsonl", held_out)
    write_samples(tmp_path / "train.jsonl", [s for s in samples if s not in held_out])
    BIRTHS_AND_JOBS.save(tmp_path / "schema.yaml")
    turns = {
        label: itertools.cycle([s for s in samples if s.relation == label])
        for label in BIRTHS_AND_JOBS.labels
    }

    def write(body: dict[str, Any]) -> str:
        found = re.search(r"Target relation: (\w+)", json.dumps(body))
        assert found
        return render(next(turns[found[1]]))

    with loopback(write=write) as server:
        generator = preset("generate/server_obo", tmp_path, server__base_url=server.url, chains=1)
        experiment = {
            "corpus": {
                name: str(tmp_path / file)
                for name, file in (
                    ("train", "train.jsonl"),
                    ("test", "test.jsonl"),
                    ("schema", "schema.yaml"),
                )
            },
            "shots": 2,
            "seeds": [1],
            "arms": ["obo_mix"],
            "generator": {"model": "served", "samples": 2, "obo": generator},
            "label": {"model": str(save_writing_model(tmp_path / "llama"))},
            "classifiers": [
                preset(
                    "classifier/entity_marker",
                    tmp_path,
                    trainer__max_steps=2,
                    model__init_args__classifier__init_args__model=save_encoder(tmp_path / "bert"),
                )
            ],
        }
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
        cli.run(["run", str(path), "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out/results.json").read_text())
    (arm,) = results["arms"]
    assert arm["generation"]["accepted"] == 4
    # the two shots and the test sentence of each relation
    assert arm["generation"]["rejected"].keys() <= {
        *("copy_of_demonstration", "near_copy_of_demonstration", "duplicate", "test_leak")
    }
    assert arm["diversity"]["distinct_2"] > 0.8
    generated = next((tmp_path / "out").rglob("labelled.jsonl"))
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert read_samples(generated)[0].head_text in page
    assert '<li dir="auto">' in page  # from right to left where the sentence is
    card = next((tmp_path / "out").rglob("collect-*/README.md")).read_text(encoding="utf-8")
    assert f"- {LANGUAGES[language]}\n" in card
