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

from relgen.common import InputError, write_text
from relgen.data.arrow import FEATURES, PROVENANCE
from relgen.data.samples import Sample, iter_files, with_samples, write_samples
from relgen.data.schema import RelationSchema

_TEMPLATE = Path(__file__).parent / "card_template.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
_ORIGIN = ("model", "adapter", "mode", "relgen_version")  # keys of the provenance on the card
_CONFIGS = [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}]


def write_dataset_folder(
    generated: Sequence[str | Path],
    out_dir: str | Path,
    *,
    schema: RelationSchema,
    seed_license: str,
    title: str | None = None,
    language: str = "en",
    first: int | None = None,
) -> Counter[str]:
    """Write a folder for `datasets.load_dataset(out_dir)`; return each relation's sample count.

    Args:
        generated: several generated.jsonl without a repeated id. Empty ones are ignored.
        out_dir: the folder.
        schema: contains the samples' relations; its explanations become part of the card.
        seed_license: licence of the labelled samples that the model was shown, from which the
            generated ones derive; it becomes the card's licence.
        title: the card's heading; by default derived from the schema's name.
        language: ISO 639-1 code of the sentences' language.
        first: number of samples to keep of each intended relation; all by default.

    Raises:
        InputError: a sample is not generated (labelled data has its own licence and must not be
            published by accident), an id is repeated, or a file is malformed.
    """
    if not seed_license.strip():
        raise InputError("must not be empty", field="license", value=seed_license)
    samples = list(_generated_samples(with_samples(generated), schema, first))
    counts = Counter(sample.relation for sample in samples)
    title = title or f"Generated training samples for {schema.name}"
    card = DatasetCard.from_template(
        _metadata(title, samples, seed_license, language, schema),
        template_str=_TEMPLATE.read_text(encoding="utf-8"),
        counts=counts,
        origin={
            key: sorted({str((s.provenance or {}).get(key) or "not known") for s in samples})
            for key in _ORIGIN
        },
        schema=schema,
        scored=_scored(samples),
        seed_license=seed_license,
    )
    write_samples(Path(out_dir) / "train.jsonl", samples)
    write_text(Path(out_dir) / "README.md", str(card))
    return counts


def _generated_samples(
    paths: Sequence[str | Path], schema: RelationSchema, first: int | None
) -> Iterator[Sample]:
    """Yield the samples to publish, without local paths.

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
        yield replace(sample, provenance=provenance)


def _scored(samples: Sequence[Sample]) -> bool:
    return any(sample.scores is not None for sample in samples)


def _metadata(
    title: str, samples: Sequence[Sample], seed_license: str, language: str, schema: RelationSchema
) -> DatasetCardData:
    features = Features({key: kind for key, kind in FEATURES.items() if key != "scores"})
    if _scored(samples):
        features["scores"] = {label: Value("float64") for label in schema.labels}
    size = next((name for number, name in _SIZES if len(samples) < number), "1M<n<10M")
    licence: dict[str, Any] = {"license": seed_license}
    # the Hub lists licences by ids such as cc-by-3.0; any other one is named in `license_name`
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", seed_license):
        name = re.sub(r"[^a-z0-9.]+", "-", seed_license.casefold()).strip("-")
        licence = {"license": "other", "license_name": name}
    return DatasetCardData(
        **licence,
        pretty_name=title,
        language=[language],
        task_categories=["text-classification"],
        tags=["relation-extraction", "synthetic", "relgen"],
        size_categories=[size],
        configs=_CONFIGS,
        dataset_info={"config_name": "default", "features": features._to_yaml_list()},
    )
