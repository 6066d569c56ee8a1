"""Checks a classifier's data before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from datasets import Dataset

from relgen.common import InputError

TRAINING = ("human", "generated", "unlabelled")
"""The names of the files to train on."""


def check_training(
    tables: Mapping[str, Dataset],
    mix: str | None,
    order: str,
    files: Mapping[str, str | None],
) -> None:
    """Raise InputError unless there is enough to train on.

    A file that `mix` or `order` needs may be missing, no samples may be left, or all of them may
    have one relation.
    """
    written = ["unlabelled"] if "unlabelled" in tables else ["generated"]
    mixes = {"human": ["human"], "pure": ["generated"], "mix": [*written, "human"]}
    orders = {"generated_first": [*written, "human"]}
    for option, value, needed in (("mix", mix, mixes), ("order", order, orders)):
        for name in needed.get(value or "", []):
            if name not in tables:
                raise InputError(
                    f"`{option}: {value}` needs a file of {name} samples",
                    field=f"data.{name}",
                    value=files[name],
                    remedy=f"give --data.{name} FILE, or change --data.{option}",
                )
    training = [tables[name] for name in TRAINING if name in tables]
    if not sum(len(table) for table in training):
        raise InputError(
            "no training samples",
            field="data.human",
            value=files["human"],
            remedy="give --data.human FILE or --data.generated FILE",
        )
    relations = {relation for table in training for relation in table.unique("relation")}
    # a sample with probabilities counts for several relations
    if len(relations) < 2 and not any(scores for table in training for scores in table["scores"]):
        given = " and ".join(str(files[name]) for name in TRAINING if name in tables)
        raise InputError(
            "the training samples have one relation only, and a classifier needs two",
            path=given,
            field="relation",
            value=sorted(relations)[0],
            remedy="add samples of another relation, such as the negative one",
        )


def untyped_notice(tables: Mapping[str, Dataset], types: Collection[str]) -> str | None:
    """Return a warning if typed markers reveal a sample's source, because only some have types."""
    counts = {}
    for name, table in tables.items():
        pairs = zip(table["head"], table["tail"], strict=True)
        plain = sum(not all(entity["type"] in types for entity in pair) for pair in pairs)
        counts[name] = plain, len(table)
    without, total = (sum(column) for column in zip(*counts.values(), strict=True))
    if not 0 < without < total:
        return None
    parts = ", ".join(f"{plain} of {size} {name}" for name, (plain, size) in counts.items())
    return (
        f"an entity has no type, or none that the schema names, in {parts} samples: typed markers "
        "distinguish these from the others; generate with `types: true`, or leave typed_markers off"
    )
