"""Corpora: one module per format, which a line in `FORMATS` adds to `relgen data convert --format`.

A reader is a function `read(path, checks, options)` that yields samples (see `reading.Reader`);
`tagged` is a short example.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from relgen.common import InputError, suggestion
from relgen.data.corpora import (
    bioc,
    brat,
    docbin,
    doccano,
    drugprot,
    fewrel,
    hub,
    label_studio,
    opennre,
    prodigy,
    pubtator,
    semeval,
    spert,
    tables,
    tacred,
    tagged,
    unmarked,
    webanno,
)
from relgen.data.corpora.everyday import read_split as read_split
from relgen.data.corpora.everyday import save_everyday as save_everyday
from relgen.data.corpora.patch import LabelPatch as LabelPatch
from relgen.data.corpora.reading import Reader as Reader
from relgen.data.corpora.reading import ReadOptions as ReadOptions
from relgen.data.corpora.reading import malformed as malformed
from relgen.data.corpora.tacred import unusual_tacred_size as unusual_tacred_size
from relgen.data.corpora.units import DoubtfulOffsets as DoubtfulOffsets
from relgen.data.corpora.units import entity_at as entity_at
from relgen.data.corpora.units import in_utf16 as in_utf16
from relgen.data.corpora.units import row_in_characters
from relgen.data.file_kinds import Kind, refuse_other_kind
from relgen.data.samples import Sample, checked_samples
from relgen.data.validation import RecordChecks


class Format(NamedTuple):
    """A corpus format: its reader, and a description for the command's help."""

    read: Reader
    description: str


_MAPPED = "--columns names the columns"
_DEEPKE = {"text": "sentence", "head_start": "head_offset", "tail_start": "tail_offset"}
_KLUE = {
    "text": "sentence",
    "head": "subject_entity",
    "tail": "object_entity",
    "relation": "label",
    "id": "guid",
}


def _read_samples(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    yield from checked_samples(
        checks,
        labelled=None if options.labelled else False,
        rejected=True,
        amend=partial(row_in_characters, unit=options.offsets),
    )


FORMATS: dict[str, Format] = {
    "semeval": Format(semeval.read, "SemEval-2010 Task 8's TRAIN_FILE.TXT and TEST_FILE_FULL.TXT"),
    "tacred": Format(
        tacred.read,
        "TACRED's train.json, dev.json and test.json; TACREV with --labels dev_patch.json, "
        "Re-TACRED with --labels dev_id2label.json (recognised by its labels; it drops samples)",
    ),
    "opennre": Format(
        opennre.read,
        "lines with token (or text), h, t and relation: wiki80, NYT10, KnowPrompt's files (where "
        "TACRED's negative label may be NA: --rename NA=no_relation)",
    ),
    "fewrel": Format(fewrel.read, "FewRel's train_wiki.json"),
    "tagged": Format(
        tagged.read, "a label, a tab and a sentence with <head>…</head>, <tail>…</tail>"
    ),
    "csv": Format(tables.reader("csv"), f"a header, then a line for each pair; {_MAPPED}"),
    "tsv": Format(tables.reader("tsv"), "the same, separated by tabs"),
    "xlsx": Format(tables.reader("xlsx"), "the same, a sheet of an Excel workbook (--sheet)"),
    "parquet": Format(tables.reader("parquet"), f"a Parquet file; {_MAPPED}"),
    "json": Format(tables.reader("json"), f"an array of objects, or one per line; {_MAPPED}"),
    "jsonl": Format(_read_samples, "samples.jsonl, to check it"),
    "hub": Format(hub.read, f"a Hub id, or a folder that `datasets` loads; {_MAPPED}"),
    "deepke": Format(
        tables.reader("csv", _DEEPKE), "DeepKE's CSV: sentence, relation, head, head_offset, …"
    ),
    "klue": Format(tables.reader("json", _KLUE), "KLUE-RE, as an array or lines"),
    "labelstudio": Format(label_studio.read, "Label Studio's export as JSON"),
    "prodigy": Format(prodigy.read, "Prodigy's lines of rel.manual"),
    "doccano": Format(doccano.read, "doccano's JSONL, with relations"),
    "brat": Format(brat.read, "brat's .txt and .ann files: a folder, or one .ann"),
    "docbin": Format(
        docbin.read, "spaCy's .spacy, with relations in doc._.rel (or --columns relation=…)"
    ),
    "webanno": Format(webanno.read, "INCEpTION's WebAnno TSV 3: a file or a folder"),
    "spert": Format(spert.read_spert, "SpERT's JSON: CoNLL04, SciERC, ADE"),
    "dygie": Format(spert.read_dygie, "SciERC's lines, as DyGIE++ reads them"),
    "bioc": Format(bioc.read, "BioC, as XML or JSON"),
    "pubtator": Format(pubtator.read, "PubTator's text: BioRED, BC5CDR"),
    "unmarked": Format(
        unmarked.read, "raw text, one on each line: pairs of --entities, without a relation"
    ),
    "drugprot": Format(drugprot.read, "the folder of DrugProt's or ChemProt's tables"),
}
TASK_READERS = {"label-studio": label_studio.read, "prodigy": prodigy.read}
"""The annotation tools whose tasks `relgen review` reads one by one."""
TABLES = ("csv", "tsv", "xlsx", "parquet", "json")
COLUMNS = (
    *(*TABLES, "hub", "deepke", "klue"),
    *("labelstudio", "prodigy", "doccano", "docbin", "webanno"),
)
"""The formats whose columns or fields `--columns` names."""
DOCUMENTS = (
    *("labelstudio", "prodigy", "doccano", "brat", "docbin", "webanno", "spert", "dygie", "bioc"),
    *("pubtator", "drugprot"),
)
"""The formats with entities and relations between them, for `--negative`."""

_TEXTS: tuple[Kind, ...] = ("csv", "tsv", "json", "jsonl")
_READABLE: dict[str, tuple[Kind, ...]] = {
    **dict.fromkeys(("csv", "deepke"), ("csv", "tsv")),
    **dict.fromkeys(("json", "klue"), ("json", "jsonl")),
    "tsv": ("tsv",),
    "xlsx": ("xlsx",),
    "parquet": ("parquet",),
    "jsonl": (*_TEXTS, "parquet"),
}
"""The kinds of file that a format reads; those that are not named here read text of any kind."""


def read_corpus(
    name: str, checks: RecordChecks, options: ReadOptions | None = None
) -> Iterator[Sample]:
    """Yield the samples of the checks' file, folder or Hub id, in the format `name`."""
    if name not in FORMATS:
        remedy = suggestion(name, FORMATS, f"use one of {', '.join(FORMATS)}")
        raise InputError("no such format", field="--format", value=name, remedy=remedy)
    path = Path(checks.path)
    if name in DOCUMENTS:
        checks.what = "relation"
    if name != "hub":
        refuse_other_kind(path, name, _READABLE.get(name, _TEXTS))
    yield from FORMATS[name].read(path, checks, options or ReadOptions())
    checks.finish()


def find_corpus(path: str | Path) -> Path:
    """Return `path`, or the same path below `$RELGEN_DATA` when only that exists."""
    path = Path(path)
    root = os.environ.get("RELGEN_DATA")
    if root and not path.exists() and (Path(root) / path).exists():
        return Path(root) / path
    return path
