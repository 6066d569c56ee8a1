"""Options of the `relgen data` commands that experiments run as stages."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from relgen.common import POSITIONAL, InputFile, PositiveInt
from relgen.data.corpora import FORMATS
from relgen.data.corpora.reading import Mentions
from relgen.data.splits import Dev


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
    mentions: Mentions = "first"
    """For fewrel: the first pair of mentions that do not overlap, or all of them."""
    columns: dict[str, str] | None = None
    """For hub: the columns that hold text, tokens, relation, head, tail and id."""


_WRAPPER = textwrap.TextWrapper(98, subsequent_indent=" " * 14, break_on_hyphens=False)
ConvertOptions.__doc__ = f"{ConvertOptions.__doc__}\n" + "\n".join(
    _WRAPPER.fill(f"    {name:<10}{each.description}") for name, each in FORMATS.items()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """Choose K training samples for each relation, by seed.

    The development set shares neither an id nor a sentence with them.
    """

    samples: InputFile = field(metadata=POSITIONAL)
    """File of samples (samples.jsonl)."""
    shots: PositiveInt
    """Samples of each relation."""
    seed: int = 1
    """Seed of the random choice."""
    dev: Dev = "full"
    """Development set: all other samples, K others of each relation, or none."""
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
