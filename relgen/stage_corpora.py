"""Where an experiment's corpus comes from: the user's files, or stages that fetch a known one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from relgen.errors import InputError
from relgen.experiment import CorpusFiles
from relgen.plans import Stage
from relgen.stage_folders import OUT, StageFolders


@dataclass(frozen=True)
class Corpus:
    """Samples to draw from, samples to test on, and their schema (a path or a shipped name).

    `own` are the samples files that no stage makes.
    """

    train: Path
    test: Path
    schema: str
    own: tuple[Path, ...] = ()


def plan_corpus(corpus: str | CorpusFiles, folders: StageFolders) -> Corpus:
    """Adds the stages that a corpus needs.

    Args:
        corpus: `everyday`, `semeval`, or the user's files.
        folders: takes the stages.

    Raises:
        InputError: a file is missing.
    """
    if isinstance(corpus, CorpusFiles):
        train, test = Path(corpus.train), Path(corpus.test)
        for path in (train, test):
            if not path.is_file():
                raise InputError("no such file", path=path, remedy="check the path")
        return Corpus(train, test, corpus.schema, (train, test))
    if corpus == "everyday":
        stage = folders.add("corpus", "corpus", ("data", "everyday", "--out", OUT))
        return Corpus(stage.folder / "train.jsonl", stage.folder / "test.jsonl", "everyday")
    train, test = (
        _converted(part, name, folders).folder / f"{part}.jsonl"
        for part, name in (("train", "TRAIN_FILE.TXT"), ("test", "TEST_FILE_FULL.TXT"))
    )
    return Corpus(train, test, "semeval")


def _converted(part: str, name: str, folders: StageFolders) -> Stage:
    source = _data_root("semeval2010_task8") / name
    command = (
        "data",
        "convert",
        "--format",
        "semeval",
        str(source),
        "--out",
        f"{OUT}/{part}.jsonl",
    )
    return folders.add(f"corpus-{part}", "corpus", command, external=[source])


def _data_root(corpus: str) -> Path:
    root = os.environ.get("RELGEN_DATA")
    if not root:
        raise InputError(
            "corpora on disk are looked for under $RELGEN_DATA, which is not set",
            field="corpus",
            value=corpus,
            remedy=f"export RELGEN_DATA=FOLDER, with the corpus in FOLDER/{corpus}",
        )
    folder = Path(root) / corpus
    if not folder.is_dir():
        raise InputError(
            "no such corpus under $RELGEN_DATA",
            path=folder,
            remedy="put the corpus's official files there",
        )
    return folder.resolve()
