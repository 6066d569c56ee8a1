"""Options of the `relgen data` commands that experiments run as stages."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from relgen.common import POSITIONAL, InputFile, PositiveInt, Share
from relgen.data.corpora import FORMATS
from relgen.data.corpora.reading import Ambiguous
from relgen.data.corpora.units import Unit
from relgen.data.splits import By, Dev


@dataclass(frozen=True, slots=True, kw_only=True)
class EverydayOptions:
    """Write the corpus that relgen ships.

    The files are train.jsonl, dev.jsonl, test.jsonl, schema.yaml and README.md, its data card.
    """

    out: str
    """Folder to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """Convert a corpus in one of the formats to samples.jsonl.

    A relative INPUT that does not exist is looked for below $RELGEN_DATA as well.
    """

    input: InputFile = field(metadata=POSITIONAL)
    """A file; for hub, a Hub id or a folder."""
    format: str
    """Format of the corpus, as listed above."""
    out: str
    """File to write (samples.jsonl)."""
    labels: InputFile | None = None
    """File that corrects labels by id: {"id": "relation", …} or
    [{"id": …, "relation": …}, …].
    """
    drop_unpatched: bool | None = None
    """Leave out the samples that --labels does not name, or let them keep their labels; by default
    they are left out by Re-TACRED's patch on tacred, and kept by all others.
    """
    rename: tuple[str, ...] = ()
    """Labels to rename, as OLD=NEW; may be repeated."""
    skip_bad: bool = False
    """Leave malformed records out and count them, instead of stopping at the first."""
    split_name: str | None = None
    """Name that goes into the ids (by default the file's; semeval: a number); for hub, the split to
    load (by default train); for tacred, the split whose size is expected.
    """
    ambiguous: Ambiguous | None = None
    """Where a mention is given as a text that occurs several times, or an entity has several
    mentions (fewrel, pubtator, bioc): the first pair of mentions that do not overlap (the two that
    are closest), a sample of all pairs, or none. By default an error for texts, and else first.
    """
    columns: dict[str, str] | None = None
    """For tables: the columns that hold text, tokens, relation, head, tail, head_start, head_end,
    head_type, tail_start, tail_end, tail_type, id and group. By default those of the same name.
    For labelstudio, prodigy and doccano: the fields of a task that hold text and group. For docbin,
    the attribute that holds relation; for webanno, the features that hold relation and type.
    """
    sheet: str | None = None
    """For xlsx: the sheet to read, by its name; by default the first one."""
    entities: tuple[str, ...] = ()
    """For unmarked: what finds entities, one or several of gazetteer:FILE (a name, a tab and its
    type on each line), regex:FILE, spacy:NAME and gliner:NAME, as in relgen predict.
    """
    types: dict[str, str] | None = None
    """For unmarked: types of these entities to rename to those of the schema, such as
    ORG=ORGANIZATION.
    """
    schema: str | None = None
    """Schema, a file or a name: a label that it lacks is an error, and a relation's title becomes
    its label. Entity types that it excludes are warned of; for unmarked, such pairs are left out.
    """
    negative: str | None = None
    """Label for the pairs of entities in one sentence between which no relation was annotated, in
    the formats that hold documents; by default they are left out. A file without any relation is
    refused.
    """
    force: bool = False
    """Replace samples with other content that are there already."""
    offsets: Unit | None = None
    """Unit of the offsets: characters, bytes (UTF-8), utf16 (as browsers count), newline (a Windows
    line break counts as one character), crlf (every line break counts as two) or inclusive
    (characters, and the end is the last one). By default characters, and an error where nearly all
    entities that are cut fit another unit.
    """


_WRAPPER = textwrap.TextWrapper(98, subsequent_indent=" " * 16, break_on_hyphens=False)
ConvertOptions.__doc__ = f"{ConvertOptions.__doc__}\n" + "\n".join(
    _WRAPPER.fill(f"    {name:<12}{each.description}") for name, each in FORMATS.items()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """Choose K training samples for each relation, by seed.

    A sample is a pair of entities in a sentence. The development set shares neither an id nor a
    sentence with the training samples, and has no near copy of them.
    """

    samples: InputFile = field(metadata=POSITIONAL)
    """File of samples (samples.jsonl)."""
    shots: PositiveInt
    """Samples of each relation."""
    seed: int = 1
    """Seed of the random choice."""
    test: Share | None = None
    """Share of each relation to hold out first, in whole sentences (or groups): test.jsonl, the
    same for every seed; pool.jsonl has all others. An experiment takes these two.
    """
    dev: Dev = "full"
    """Development set: all other samples, K others of each relation, or none."""
    by: By = "sentence"
    """What the parts do not share: sentences, or also the `group` of samples (a document)."""
    dev_from: str | None = None
    """File to take the development set from instead."""
    exclude: InputFile | None = None
    """File whose sentences and ids are never chosen, such as the test set; near copies of its
    sentences are not chosen for training.
    """
    schema: str | None = None
    """Schema file, or the name of a shipped schema, to check the labels against."""
    skip_bad: bool = False
    """Leave malformed records out and count them, instead of stopping at the first."""
    force: bool = False
    """Replace another split that is in the folder already."""
    out: str
    """Folder to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOptions:
    """Gather generated samples in a folder with a dataset card, ready for the Hub.

    Nothing is uploaded.
    """

    generated: list[InputFile] = field(metadata=POSITIONAL)
    """Files of generated samples."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    license: str
    """Licence of the labelled seed data, e.g. cc-by-3.0."""
    title: str | None = None
    """Heading of the card; by default from the schema's name."""
    language: str | None = None
    """Language of the sentences (ISO 639-1); by default the one that they are found to be in."""
    first: PositiveInt | None = None
    """Keep only the first N samples per relation."""
    out: str
    """Folder to write."""
