"""Finds the corpus of an experiment: the user's files, or a known corpus and the stages for it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path

from relgen.common import InputError, file_hash, find_schema, no_such_file
from relgen.data import (
    By,
    ConvertOptions,
    EverydayOptions,
    RelationSchema,
    check_samples,
    load_schema,
)
from relgen.experiments.config import CorpusFiles, Experiment
from relgen.experiments.stages import OUT, Stage, StageFolders, options

Places = tuple[str, ...]
"""The paths below `$RELGEN_DATA` at which a file may be."""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A corpus that is looked for below `$RELGEN_DATA`."""

    schema: str  # the name of a shipped one
    license: str  # of its sentences, for the generated set's card
    format: str  # the `--format` of `relgen data convert`
    files: tuple[Places, Places]  # for training, and for testing
    labels: tuple[Places, Places] = ((), ())  # patches of their labels
    public: bool = True  # its sentences may be shown to others, for example in a report


_TACRED = OnDisk(
    "tacred",
    "other",
    "tacred",
    (
        ("tacred/train.json", "tacred/data/json/train.json"),
        ("tacred/test.json", "tacred/data/json/test.json"),
    ),
    public=False,
)
ON_DISK = {
    "semeval": OnDisk(
        "semeval",
        "cc-by-3.0",
        "semeval",
        (("semeval2010_task8/TRAIN_FILE.TXT",), ("semeval2010_task8/TEST_FILE_FULL.TXT",)),
    ),
    "tacred": _TACRED,
    "tacrev": replace(
        _TACRED, labels=((), ("tacrev/test_patch.json", "tacrev/patch/test_patch.json"))
    ),
    "retacred": replace(
        _TACRED,
        schema="retacred",
        labels=(
            ("retacred/train_id2label.json", "retacred/Re-TACRED/train_id2label.json"),
            ("retacred/test_id2label.json", "retacred/Re-TACRED/test_id2label.json"),
        ),
    ),
}


@dataclass(frozen=True)
class Corpus:
    """Samples to draw from, samples to test on, and their schema (a path or a shipped name).

    `kept_out` holds the test sentences that splits and generators must not repeat. Corpora that
    differ only in the labels of the test set share it, and with it splits and generated sets.
    """

    train: Path
    test: Path
    schema: str
    kept_out: Path
    by: By = "sentence"


def check_files(experiment: Experiment) -> None:
    """Raise InputError, with the experiment's key, for a file of the user's that is missing."""
    files = {"unlabelled": experiment.unlabelled, "reviewed": experiment.reviewed}
    if isinstance(experiment.corpus, CorpusFiles):
        files |= {f"corpus.{part}": getattr(experiment.corpus, part) for part in ("train", "test")}
    for key, name in files.items():
        if name is not None and not Path(name).exists():
            error = no_such_file(Path(name))
            raise InputError(error.problem, field=key, value=name, remedy=error.remedy)
    if isinstance(experiment.corpus, CorpusFiles):
        schema = experiment.corpus.schema
        try:
            find_schema(schema)
        except InputError as error:
            raise InputError(
                error.problem, field="corpus.schema", value=schema, remedy=error.remedy
            ) from None


def plan_corpus(corpus: str | CorpusFiles, folders: StageFolders) -> Corpus:
    """Return the user's files or a known corpus, after adding the stages that convert it.

    Raises InputError if a file is missing, or one of the user's has malformed samples or labels
    that are not in the schema.
    """
    if isinstance(corpus, CorpusFiles):
        train, test = Path(corpus.train), Path(corpus.test)
        schema = load_schema(corpus.schema)
        for path in (train, test):
            _check(path, schema)
        if file_hash(train) == file_hash(test):
            remedy = f"hold some out: relgen data split {train} --shots K --test 0.3 --out split"
            problem = "the same samples as corpus.train"
            raise InputError(problem, field="corpus.test", value=corpus.test, remedy=remedy)
        return Corpus(train, test, corpus.schema, test, corpus.by)
    if corpus == "everyday":
        stage = folders.add("corpus", "data everyday", options(EverydayOptions)(out=OUT))
        test = stage.folder / "test.jsonl"
        return Corpus(stage.folder / "train.jsonl", test, "everyday", test)
    known = ON_DISK[corpus]
    train, test = (
        _converted(part, corpus, places, labels, folders).folder / f"{part}.jsonl"
        for part, places, labels in zip(("train", "test"), known.files, known.labels, strict=True)
    )
    kept_out = test
    if known.labels[1] and not known.labels[0]:
        # another corpus has the same training sentences, and so the same generated ones
        kept_out = _converted("test", corpus, known.files[1], (), folders).folder / "test.jsonl"
    return Corpus(train, test, known.schema, kept_out)


def check_reviewed_samples(experiment: Experiment, corpus: Corpus) -> None:
    """Raise InputError if the reviewed samples are malformed or have labels of another schema."""
    if experiment.reviewed is not None:
        _check(Path(experiment.reviewed), load_schema(corpus.schema))


def _check(path: Path, schema: RelationSchema) -> None:
    _check_once(path, schema, path.stat().st_mtime_ns if path.exists() else 0)


@functools.lru_cache
def _check_once(path: Path, schema: RelationSchema, modified: int) -> None:
    """Check a file once, although every cell of a grid may use it."""
    check_samples(path, schema)


def _converted(
    part: str, corpus: str, places: Places, labels: Places, folders: StageFolders
) -> Stage:
    patch = _find(corpus, labels) if labels else None
    line = options(ConvertOptions)(
        input=_find(corpus, places),
        format=ON_DISK[corpus].format,
        labels=patch,
        out=f"{OUT}/{part}.jsonl",
    )
    return folders.add(f"corpus-{part}{'-relabelled' if patch else ''}", "data convert", line)


def _find(corpus: str, places: Places) -> Path:
    root = os.environ.get("RELGEN_DATA")
    if not root:
        raise InputError(
            "this corpus is looked for below $RELGEN_DATA, which is not set",
            field="corpus",
            value=corpus,
            remedy=f"export RELGEN_DATA=FOLDER, with the corpus in FOLDER/{places[0]}",
        )
    for place in places:
        if (path := Path(root) / place).is_file():
            return path.resolve()
    raise InputError(
        f"{corpus} needs this file below $RELGEN_DATA",
        path=Path(root) / places[0],
        remedy="put the corpus's official files there",
    )
