"""`relgen data schema`: builds a schema from descriptions of relations, such as FewRel's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from relgen.common import POSITIONAL, counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Build a schema from names and descriptions of relations.

    The file is one like FewRel's and wiki80's pid2name.json,
    {"P177": ["crosses", "obstacle that a bridge …"], …}: name and description become the
    explanation. With --samples the schema holds the relations found there, by id or by name.
    """

    descriptions: str = field(metadata=POSITIONAL)
    """File of names and descriptions (pid2name.json)."""
    out: str
    """Schema file to write (schema.yaml)."""
    samples: tuple[str, ...] = ()
    """Samples files: keep only the relations that occur in them; by default all."""
    name: str | None = None
    """Name of the schema; by default that of --out."""
    negative: str | None = None
    """Label that stands for none of the relations; by default there is none."""
    force: bool = False
    """Replace another schema that is there already."""


def run(options: Options) -> None:
    """Write the schema, and print how many relations it has."""
    from relgen.common import check_outputs, recorded
    from relgen.data import read_descriptions, schema_from_descriptions

    check_outputs([options.out], [options.descriptions, *options.samples])
    schema = schema_from_descriptions(
        read_descriptions(options.descriptions),
        name=options.name or Path(options.out).stem,
        samples=options.samples,
        negative=options.negative,
    )
    with recorded([options.out], "data schema"):
        schema.save(options.out, replace=options.force)
    print(f"a schema of {counted(len(schema), 'relation')} -> {options.out}")
