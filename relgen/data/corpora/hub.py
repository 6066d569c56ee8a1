"""Corpora from the Hub, or from a local folder or file, through `datasets.load_dataset`.

`columns` maps the keys below to the columns of the data:

    text=sentence       a text; with <e1>…</e1> and <e2>…</e2> tags when head and tail are not given
    tokens=token        or a list of tokens, joined by single spaces
    relation=label      a text or a class label
    head=h, tail=t      {"start", "end"}, {"pos": [start, end]} or [start, end], ends exclusive;
                        characters of the text, or tokens when `tokens` is given; or, as in KLUE-RE,
                        {"start_idx", "end_idx"} with inclusive ends; or, as in DeepKE, the mention
                        itself, with its start in a column such as `h_offset`
    id=guid             optional

A key that is not given defaults to the column of the same name.
`SemEvalWorkshop/sem_eval_2010_task_8` needs no `columns`. The network is used only for data that is
neither local nor cached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.reading import ReadOptions, offsets
from relgen.data.corpora.semeval import parse_tagged
from relgen.data.corpora.tokens import TokenText
from relgen.data.exports import refuse_export
from relgen.data.samples import Entity, Sample
from relgen.data.text import normalised
from relgen.data.validation import RecordChecks

KEYS = ("text", "tokens", "relation", "head", "tail", "id")
_REMEDY = "name the columns with --columns text=…,relation=…,head=…,tail=…"
KNOWN: dict[str, dict[str, str]] = {
    "SemEvalWorkshop/sem_eval_2010_task_8": {"text": "sentence", "relation": "relation"},
}


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of one split, with the ids of the `id` column or `NAME-train-1` by row.

    The path is a Hub id, a folder that `load_dataset` can read, or a json, jsonl, csv or parquet
    file. Messages name rows `train[3]`, counted from 1.
    """
    checks.remedy = _REMEDY
    name, split = path.as_posix(), options.split_name or "train"
    table = _load(name, split)
    if "head" not in (options.columns or {}):
        refuse_export(path, table.column_names)
    where = _resolve(options.columns or KNOWN.get(name, {}), table.column_names, path)
    label = table.features[where["relation"]]
    names: list[str] | None = label.names if hasattr(label, "names") else None
    for number, row in enumerate(table, start=1):
        with checks.record(f"{split}[{number}]"):
            own_id = str(row[where["id"]]) if "id" in where else None
            key = f"{path.stem}-{split}-{number}" if own_id is None else own_id
            sample = _parse(row, where, names, key)
            if checks.passes(own_id, f"{split}[{number}]"):
                yield sample


def _load(path: str, split: str) -> Any:
    from datasets import load_dataset

    builders = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
    try:
        if Path(path).is_file():
            builder = builders.get(Path(path).suffix.lower())
            if builder is None:
                remedy = f"give a file ending in {', '.join(builders)}, a folder, or a Hub id"
                raise InputError("this file cannot be loaded", path=path, remedy=remedy)
            # NA, null and the like are labels, too
            options = {"keep_default_na": False} if builder == "csv" else {}
            return load_dataset(builder, data_files={split: path}, split=split, **options)
        return load_dataset(path, split=split)
    except InputError:
        raise
    except Exception as error:  # `datasets` raises many kinds
        cause: BaseException = error
        while cause.__cause__ is not None:  # what went wrong is said by the first one
            cause = cause.__cause__
        reason = " ".join(f"{type(cause).__name__}: {cause}".split())[:300]
        problem = f"split '{split}' cannot be loaded: {reason}"
        remedy = "check the id, the split and the network, or give a local folder"
        if Path(path).exists():
            remedy = "check the split's name, and that every record has the same keys and types"
        raise InputError(problem, path=path, remedy=remedy) from error


def _resolve(
    columns: Mapping[str, str], available: list[str], path: str | Path
) -> Mapping[str, str]:
    for key, column in columns.items():
        if key not in KEYS:
            remedy = f"use one of {', '.join(KEYS)}"
            raise InputError("unknown key", field="columns", value=key, remedy=remedy)
        if column not in available:
            remedy = f"its columns: {', '.join(available)}"
            raise InputError(
                "no such column", path=path, field=f"columns.{key}", value=column, remedy=remedy
            )
    where = {key: columns.get(key, key) for key in KEYS if key in columns or key in available}
    for one_of in (("text", "tokens"), ("relation",)):
        if where.keys().isdisjoint(one_of):
            problem = f"no column for {' or '.join(one_of)} among {', '.join(available)}"
            raise InputError(problem, path=path, remedy=_REMEDY)
    return where


def _parse(
    row: Mapping[str, Any], where: Mapping[str, str], names: list[str] | None, key: str
) -> Sample:
    relation = row[where["relation"]]
    if names is not None and isinstance(relation, int) and 0 <= relation < len(names):
        relation = names[relation]
    if not isinstance(relation, str):
        raise InputError("must be a string or a class label", field="relation", value=relation)
    tokens = TokenText.join(row[where["tokens"]], "tokens") if "tokens" in where else None
    text = row[where["text"]] if tokens is None else tokens.text
    if not isinstance(text, str):
        raise InputError("must be a string", field="text", value=text)
    if "head" not in where or "tail" not in where:
        text, head, tail = parse_tagged(text)
    else:
        head, tail = (_entity(row, where[role], role, tokens) for role in ("head", "tail"))
        for role, entity in (("head", head), ("tail", tail)):
            _check_mention(row[where[role]], text[entity.start : entity.end], role)
    return Sample(key, text, head, tail, relation)


def _entity(row: Mapping[str, Any], column: str, role: str, tokens: TokenText | None) -> Entity:
    kind, value, first = None, row[column], row.get(f"{column}_offset")
    if isinstance(value, Mapping):
        kind = value.get("type")
        if isinstance(value.get("end_idx"), int):
            value = [value.get("start_idx"), value["end_idx"] + 1]
        else:
            value = value["pos"] if "pos" in value else [value.get("start"), value.get("end")]
    elif isinstance(value, str):
        if not isinstance(first, int):
            problem = f"a mention alone has no place in the text, and no column {column}_offset"
            remedy = "give offsets, or a text with <e1>…</e1> and <e2>…</e2> and no head and tail"
            raise InputError(problem, field=role, value=value, remedy=remedy)
        value = [first, first + len(value)]
    start, end = offsets(value, role)
    if tokens is not None:
        return tokens.entity(start, end, field=role, kind=kind)
    return Entity(start, end, kind)


def _check_mention(value: Any, found: str, role: str) -> None:
    """Raise InputError if a record names its mention, and another one is at its offsets."""
    named = value.get("word") if isinstance(value, Mapping) else value
    if isinstance(named, str) and normalised(named) != normalised(found):
        problem = f"the characters at its offsets are '{found}'"
        raise InputError(problem, field=role, value=named)
