"""Generated samples as a folder that is ready for the Hub: train.jsonl and a dataset card.

The card says how the set was made, counts it, and names the model and the seed data's licence. It
uploads nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from relgen.common import InputError, write_text
from relgen.data.samples import Sample, iter_files, with_samples, write_samples
from relgen.data.schema import RelationSchema

# the keys of relgen.data.arrow.PROVENANCE, which needs `datasets`; a test compares them
PROVENANCE_KEYS = (
    "model",
    "adapter",
    "mode",
    "chain",
    "step",
    "seed",
    "prompt_hash",
    "mean_token_logprob",
    "intended",
    "relgen_version",
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
_FEATURES: list[dict[str, Any]] = [
    {"name": "id", "dtype": "string"},
    {"name": "text", "dtype": "string"},
    *(
        {
            "name": role,
            "struct": [
                {"name": "start", "dtype": "int64"},
                {"name": "end", "dtype": "int64"},
                {"name": "type", "dtype": "string"},
            ],
        }
        for role in ("head", "tail")
    ),
    {"name": "relation", "dtype": "string"},
    {"name": "source", "dtype": "string"},
    {
        "name": "provenance",
        "struct": [
            {
                "name": key,
                "dtype": {"mean_token_logprob": "float64"}.get(
                    key, "int64" if key in ("chain", "step", "seed") else "string"
                ),
            }
            for key in PROVENANCE_KEYS
        ],
    },
]


def write_dataset_folder(
    generated: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    schema: RelationSchema,
    seed_license: str,
    title: str | None = None,
    language: str = "en",
    first: int | None = None,
) -> Counter[str]:
    """Writes `train.jsonl` and `README.md`; `datasets.load_dataset(out_dir)` reads the folder.

    Args:
        generated: one or several generated.jsonl; the ids of all must differ. An empty one, of
            which no draft was accepted, adds nothing.
        out_dir: the folder; only the two files in it are touched.
        schema: every sample's relation must belong to it; its explanations go into the card.
        seed_license: licence of the labelled samples that the model was shown. The generated set
            derives from these, so it is the card's licence as well.
        title: the card's heading; by default made from the schema's name.
        language: of the sentences, as an ISO 639-1 code.
        first: so many samples of each relation, counted by the one that they were written for; by
            default all.

    Returns:
        The number of samples of each relation.

    Raises:
        InputError: a sample is not generated (labelled data has its own licence and is not to be
            published by accident), an id stands twice, or a file is malformed.
    """
    if not seed_license.strip():
        raise InputError("must not be empty", field="license", value=seed_license)
    paths = [generated] if isinstance(generated, str | Path) else list(generated)
    paths = with_samples(paths)
    out_dir = Path(out_dir)
    counts: Counter[str] = Counter()
    made: dict[str, Counter[str]] = {
        key: Counter() for key in ("model", "adapter", "mode", "relgen_version")
    }

    scored = False

    def counted() -> Iterator[Sample]:
        nonlocal scored
        for sample in _first(_generated_samples(paths, schema), first):
            counts[sample.relation] += 1
            public = _for_publication(sample)
            scored = scored or sample.scores is not None
            for key, values in made.items():
                values[str((public.provenance or {}).get(key) or "not known")] += 1
            yield public

    write_samples(out_dir / "train.jsonl", counted())
    heading = title or f"Generated training samples for {schema.name}"
    features = [*_FEATURES, *([_scores_feature(schema)] if scored else [])]
    front = _front_matter(heading, counts.total(), seed_license, language, features)
    body = _body(heading, counts, made, schema, seed_license, scored)
    write_text(out_dir / "README.md", front + body)
    return counts


def _generated_samples(paths: Iterable[str | Path], schema: RelationSchema) -> Iterator[Sample]:
    for path, sample in iter_files(paths, schema):
        if sample.source != "generated":
            raise InputError(
                f"sample '{sample.id}' is not a generated one",
                path=path,
                field="source",
                value=sample.source,
                remedy="give the files that `relgen generate` wrote",
            )
        yield sample


def _first(samples: Iterable[Sample], number: int | None) -> Iterator[Sample]:
    """The first samples that were written for each relation."""
    written: Counter[str] = Counter()
    for sample in samples:
        intended = str((sample.provenance or {}).get("intended", sample.relation))
        written[intended] += 1
        if number is None or written[intended] <= number:
            yield sample


def _for_publication(sample: Sample) -> Sample:
    """With every provenance key, and without the paths of the machine it was made on.

    Readers that guess types from the first lines need all keys on every line.
    """
    given = sample.provenance or {}
    provenance = {key: given.get(key) for key in PROVENANCE_KEYS}
    for key in ("model", "adapter"):
        value = provenance[key]
        if isinstance(value, str) and Path(value).is_absolute():
            provenance[key] = Path(value).name
    return replace(sample, provenance=provenance)


def _scores_feature(schema: RelationSchema) -> dict[str, Any]:
    """What `relgen label` adds to a sample: a probability for each relation."""
    fields = [{"name": label, "dtype": "float64"} for label in schema.labels]
    return {"name": "scores", "struct": fields}


def _front_matter(
    heading: str, total: int, seed_license: str, language: str, features: list[dict[str, Any]]
) -> str:
    content: dict[str, Any] = {
        "pretty_name": heading,
        "language": [language],
        "task_categories": ["text-classification"],
        "tags": ["relation-extraction", "synthetic", "relgen"],
        "size_categories": [next((name for size, name in _SIZES if total < size), "1M<n<10M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "train.jsonl"}],
            }
        ],
        "dataset_info": {"config_name": "default", "features": features},
    }
    # the Hub knows licences by short names such as cc-by-3.0; others carry a name of their own
    if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", seed_license):
        content = {"license": seed_license, **content}
    else:
        name = re.sub(r"[^a-z0-9.]+", "-", seed_license.casefold()).strip("-")
        content = {"license": "other", "license_name": name, **content}
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---\n\n"


def _body(
    heading: str,
    counts: Counter[str],
    made: dict[str, Counter[str]],
    schema: RelationSchema,
    seed_license: str,
    scored: bool,
) -> str:
    facts = "\n".join(
        f"| {key.replace('_', ' ')} | {', '.join(_code(value) for value in sorted(values))} |"
        for key, values in made.items()
    )
    rows = "\n".join(
        f"| {_code(relation.name)} | {counts[relation.name]} | {_cell(relation.explanation)} |"
        for relation in schema
    )
    return _CARD.format(
        heading=heading,
        facts=facts,
        rows=rows,
        total=counts.total(),
        license=seed_license,
        labels=_LABELS if scored else "",
        intended=", the relation that was asked for" if scored else "",
        scores="| `scores` | the probability of each relation |\n" if scored else "",
    )


def _code(value: str) -> str:
    return f"`{_cell(value)}`"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")


_LABELS = """
The relation is not the one that a sentence was written for (`provenance.intended`), but the one
that a language model reads in it: `scores` holds a probability for each relation, from a regression
over the model's hidden states that was fitted to the labelled sentences.
"""

_CARD = """\
# {heading}

{total} sentences, each with a head and a tail entity and the relation between them.
A language model wrote all of them; no person labelled them.

## How it was made

[relgen](https://pypi.org/project/relgen-re/) showed a language model an explanation of each
relation and a few labelled sentences, and asked for sentences that differ from these and from each
other. Drafts without both entities, copies of what the model was shown, and duplicates were
refused. The method follows Li, Dai and Li, *Generating Diverse Training Samples for Relation
Extraction with Large Language Models* (ACL 2025, arXiv 2505.23108).
{labels}
| | |
|---|---|
{facts}

## Fields

| field | |
|---|---|
| `id` | unique in the set |
| `text` | the sentence |
| `head`, `tail` | `start` and `end` (exclusive) in characters of `text`, and the entity's `type` |
| `relation` | the label |
| `source` | always `generated` |
| `provenance` | model, adapter, mode, step, seed, prompt hash, mean log-probability{intended} |
{scores}
## Relations

| relation | samples | meaning |
|---|---|---|
{rows}

## Licence

The labelled sentences that the model was shown are under `{license}`. The generated sentences may
resemble them, so the same licence is given here; the model's own licence applies as well.

## Limits

Sentences may be false, odd or wrongly labelled: they are meant for training a classifier, beside
labelled data, and not as a source of facts or as a test set. A name of a real person or company
in them is a coincidence.
"""
