"""Options of `relgen predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Literal

from relgen.common import (
    POSITIONAL,
    ClosedUnitInterval,
    InputFile,
    PositiveInt,
    ShardOptions,
    find_shards,
)
from relgen.data import is_pipe
from relgen.models import DeviceName
from relgen.prediction.inputs import input_checks, read_raw_texts, read_samples_to_predict

_FIRST = 100


def _check_classifier(name: Any, options: Any) -> None:
    from relgen.classifiers import classifier_files

    classifier_files(name)


def _check_input(path: Any, options: Any) -> None:
    if not is_pipe(path) and not find_shards(path, options.out):
        read = read_raw_texts if options.entities else read_samples_to_predict
        checks = input_checks(path, skip_bad=options.skip_bad)
        list(islice(read(checks, columns=options.columns), _FIRST))


ClassifierFolder = Annotated[InputFile, _check_classifier]
"""A classifier's folder, or its name on the Hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions(ShardOptions):
    """Predict relations with a trained classifier.

    INPUT holds samples (lines of JSON with text, head and tail, or a table that ends in csv, tsv,
    xlsx, parquet or json; a relation is not needed), or with --entities raw text: a text on each
    line, or lines of JSON with a text. Each line of the output has the text, head, tail, relation
    and its probability. A folder or a glob in quotation marks is a corpus in shards, and --out a
    folder. If it is stopped, run the same command again to continue.
    """

    model: ClassifierFolder = field(metadata=POSITIONAL)
    """Folder that `relgen classifier fit` wrote, or its name on the Hub."""
    input: Annotated[InputFile, _check_input] = field(metadata=POSITIONAL)
    """File of sentences, or a folder of jsonl and parquet files."""
    columns: dict[str, str] | None = None
    """Columns of a table, such as text=sentence,head=person,tail=place."""
    out: str | None = None
    """File to write (predictions.jsonl, or parquet); by default the predictions are printed."""
    threshold: ClosedUnitInterval | Literal["saved"] | None = None
    """Least probability of a relation, else the negative one is predicted; `saved`: that of each
    relation, as chosen when the classifier was calibrated.
    """
    abstain: bool = False
    """Below the threshold (by default the saved ones), give no answer: a relation of null."""
    coverage: Literal["0.8", "0.9", "0.95", "0.99"] | None = None
    """Write the set of relations that holds the true one this often (conformal prediction), for
    sentences like those that the classifier was calibrated on.
    """
    scores: bool = False
    """Write the probabilities of all relations as well."""
    entities: list[str] = field(default_factory=list)
    """Where the entities of raw text come from, one or several of spacy:NAME (a pipeline's name or
    folder), gliner:NAME, gazetteer:FILE (a name, a tab and its type on each line) and regex:FILE
    (YAML: expressions by type). Of overlapping entities the longest counts.
    """
    types: dict[str, str] | None = None
    """Types of these entities to rename to those of the schema, such as ORG=ORGANIZATION."""
    window: PositiveInt = 1
    """Sentences that a pair of entities may be apart in raw text, counting both."""
    all_pairs: bool = False
    """Write all pairs of raw text, also those between which no relation holds and the less probable
    direction where a relation is found in both.
    """
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the computation; bfloat16 is faster on processors with instructions for it."""
    device: DeviceName | None = None
    """Device to run on (cpu, cuda, …); by default cuda where there is one."""
    skip_bad: bool = False
    """Leave malformed lines out and count them, instead of stopping."""
