"""Writes generated samples as a folder for the Hub: `train.jsonl` and a dataset card.

The card describes how the set was made, its size, the model, and the seed data's licence. Nothing
is uploaded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Features, Value
from huggingface_hub import DatasetCard, DatasetCardData

from relgen.common import InputError, markdown_code, markdown_text, write_text
from relgen.data.arrow import FEATURES
from relgen.data.language import language_code
from relgen.data.options import CardOptions
from relgen.data.parquet import PROVENANCE
from relgen.data.samples import Sample, iter_files, with_samples, write_samples
from relgen.data.schema import RelationSchema, load_schema

_TEMPLATE = Path(__file__).parent / "card_template.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
_ORIGIN = ("model", "adapter", "mode", "relgen_version")  # keys of the provenance on the card
_CONFIGS = [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}]


def write_dataset_folder(options: CardOptions) -> Counter[str]:
    """Write a folder for `datasets.load_dataset`; return each relation's sample count.

    Empty files of generated samples are ignored. The seed data's licence becomes the card's, since
    the generated samples derive from the labelled ones that the model was shown. Raises InputError
    if a sample is not generated (labelled data has its own licence and must not be published by
    accident), an id is repeated, or a file is malformed.
    """
    if not options.license.strip():
        raise InputError("must not be empty", field="license", value=options.license)
    schema = load_schema(options.schema)
    samples = list(_generated_samples(with_samples(options.generated), schema, options.first))
    counts = Counter(sample.relation for sample in samples)
    scored = any(sample.scores is not None for sample in samples)
    card = DatasetCard.from_template(
        _metadata(options, schema, samples, scored),
        template_str=_TEMPLATE.read_text(encoding="utf-8"),
        counts=counts,
        origin={
            key: sorted({str((s.provenance or {}).get(key) or "not known") for s in samples})
            for key in _ORIGIN
        },
        schema=schema,
        scored=scored,
        seed_license=options.license,
        code=markdown_code,
        plain=markdown_text,
    )
    write_samples(Path(options.out) / "train.jsonl", samples)
    write_text(Path(options.out) / "README.md", str(card))
    return counts


def _generated_samples(
    paths: Sequence[str | Path], schema: RelationSchema, first: int | None
) -> Iterator[Sample]:
    """Yield the samples to publish, without local paths and the names of reviewers.

    Every line has all provenance keys, since readers infer types from the first lines.
    """
    written: Counter[str] = Counter()
    for path, sample in iter_files(paths, schema):
        if sample.source != "generated":
            problem = f"sample '{sample.id}' is not generated"
            remedy = "give files written by `relgen generate`"
            raise InputError(problem, path=path, field="source", value=sample.source, remedy=remedy)
        given = sample.provenance or {}
        intended = str(given.get("intended", sample.relation))
        written[intended] += 1
        if first is not None and written[intended] > first:
            continue
        provenance = {key: given.get(key) for key in PROVENANCE}
        for key in ("model", "adapter"):
            if Path(str(value := provenance[key])).is_absolute():
                provenance[key] = Path(str(value)).name
        scores = None if sample.review else sample.scores
        yield replace(sample, provenance=provenance, scores=scores, review=None)


def _metadata(
    options: CardOptions, schema: RelationSchema, samples: Sequence[Sample], scored: bool
) -> DatasetCardData:
    inside = {key: kind for key, kind in FEATURES.items() if key not in ("scores", "review")}
    features = Features(inside)
    if scored:
        features["scores"] = {label: Value("float64") for label in schema.labels}
    size = next((name for limit, name in _SIZES if len(samples) < limit), "1M<n<10M")
    language = options.language or language_code(samples)
    licence: dict[str, Any] = {"license": options.license}
    # the Hub lists licences by ids such as cc-by-3.0; any other one is named in `license_name`
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", options.license):
        name = re.sub(r"[^a-z0-9.]+", "-", options.license.casefold()).strip("-")
        licence = {"license": "other", "license_name": name}
    return DatasetCardData(
        **licence,
        pretty_name=options.title or f"Generated training samples for {schema.name}",
        language=[language] if language else None,
        task_categories=["text-classification"],
        tags=["relation-extraction", "synthetic", "relgen"],
        size_categories=[size],
        configs=_CONFIGS,
        dataset_info={"config_name": "default", "features": features._to_yaml_list()},
    )
