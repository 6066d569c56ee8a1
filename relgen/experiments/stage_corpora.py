"""Where an experiment's corpus comes from: the user's files, or stages that fetch a known one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from relgen.common import InputError, find_schema
from relgen.experiments.config import CorpusFiles
from relgen.experiments.plans import Stage
from relgen.experiments.stage_folders import OUT, StageFolders


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A corpus that is looked for under `$RELGEN_DATA`.

    Args:
        schema: shipped name.
        license: of its sentences, for the generated set's card.
        format: as `relgen data convert` takes it.
        files: the training and the test file, each by the paths at which it may lie.
        labels: patches for the two, where there are any, likewise.
        public: whether its sentences may be shown to others, in a report for one.
    """

    schema: str
    license: str
    format: str
    files: tuple[tuple[str, ...], tuple[str, ...]]
    labels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    public: bool = True


_TACRED = (
    ("tacred/train.json", "tacred/data/json/train.json"),
    ("tacred/test.json", "tacred/data/json/test.json"),
)
ON_DISK = {
    "semeval": OnDisk(
        "semeval",
        "cc-by-3.0",
        "semeval",
        (("semeval2010_task8/TRAIN_FILE.TXT",), ("semeval2010_task8/TEST_FILE_FULL.TXT",)),
    ),
    "tacred": OnDisk("tacred", "other", "tacred", _TACRED, public=False),
    "tacrev": OnDisk(
        "tacred",
        "other",
        "tacred",
        _TACRED,
        ((), ("tacrev/test_patch.json", "tacrev/patch/test_patch.json")),
        public=False,
    ),
    "retacred": OnDisk(
        "retacred",
        "other",
        "tacred",
        _TACRED,
        (
            ("retacred/train_id2label.json", "retacred/Re-TACRED/train_id2label.json"),
            ("retacred/test_id2label.json", "retacred/Re-TACRED/test_id2label.json"),
        ),
        public=False,
    ),
}


@dataclass(frozen=True)
class Corpus:
    """Samples to draw from, samples to test on, and their schema (a path or a shipped name).

    `own` are the samples files that no stage makes. `kept_out` has the test sentences under
    whatever labels: splits and generators, which are only kept from repeating them, read this one,
    and are the same for corpora that differ in the test set's labels. Trainings are not shared:
    whoever is done with one may discard its weights.
    """

    train: Path
    test: Path
    schema: str
    kept_out: Path
    own: tuple[Path, ...] = ()

    @property
    def external(self) -> list[Path]:
        """What of it no stage makes: the schema's file, and the user's samples."""
        return [find_schema(self.schema), *self.own]


def plan_corpus(corpus: str | CorpusFiles, folders: StageFolders) -> Corpus:
    """Adds the stages that a corpus needs.

    Args:
        corpus: `everyday`, a key of `ON_DISK`, or the user's files.
        folders: takes the stages.

    Raises:
        InputError: a file is missing.
    """
    if isinstance(corpus, CorpusFiles):
        train, test = Path(corpus.train), Path(corpus.test)
        for path in (train, test):
            if not path.is_file():
                raise InputError("no such file", path=path, remedy="check the path")
        return Corpus(train, test, corpus.schema, test, (train, test))
    if corpus == "everyday":
        stage = folders.add("corpus", "corpus", ("data", "everyday", "--out", OUT))
        test = stage.folder / "test.jsonl"
        return Corpus(stage.folder / "train.jsonl", test, "everyday", test)
    known = ON_DISK[corpus]
    train, test = (
        _converted(part, corpus, places, labels, folders).folder / f"{part}.jsonl"
        for part, places, labels in zip(("train", "test"), known.files, known.labels, strict=True)
    )
    kept_out = test
    if known.labels[1] and not known.labels[0]:
        # trained on another corpus's sentences, and so on what was generated for that
        kept_out = _converted("test", corpus, known.files[1], (), folders).folder / "test.jsonl"
    return Corpus(train, test, known.schema, kept_out)


def _converted(
    part: str, corpus: str, places: tuple[str, ...], labels: tuple[str, ...], folders: StageFolders
) -> Stage:
    source = _find(corpus, places)
    patch = _find(corpus, labels) if labels else None
    command = (
        *("data", "convert", "--format", ON_DISK[corpus].format, str(source)),
        *(("--labels", str(patch)) if patch else ()),
        *("--out", f"{OUT}/{part}.jsonl"),
    )
    external = [source, *([patch] if patch else [])]
    name = f"corpus-{part}-relabelled" if patch else f"corpus-{part}"
    return folders.add(name, "corpus", command, external=external)


def _find(corpus: str, places: tuple[str, ...]) -> Path:
    """The first of these files under `$RELGEN_DATA`."""
    root = os.environ.get("RELGEN_DATA")
    if not root:
        raise InputError(
            "corpora on disk are looked for under $RELGEN_DATA, which is not set",
            field="corpus",
            value=corpus,
            remedy=f"export RELGEN_DATA=FOLDER, with the corpus in FOLDER/{places[0]}",
        )
    for place in places:
        if (path := Path(root) / place).is_file():
            return path.resolve()
    raise InputError(
        f"{corpus} needs this file under $RELGEN_DATA",
        path=Path(root) / places[0],
        remedy="put the corpus's official files there",
    )
