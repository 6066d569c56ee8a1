"""What can be chosen about a generation: one frozen record for YAML, command line and Python.

A field's name is its YAML key, and its command line option with dashes for underscores. The
defaults are the paper's (Li, Dai, Li, ACL 2025). Leaves out which files are read and written: those
are arguments of `relgen generate` and of `run.generate`.
"""

# ruff: noqa: RUF009 - `_described` is `dataclasses.field` with a text; it holds no state

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from relgen.errors import InputError
from relgen.yaml_files import read_yaml

Mode = Literal["obo", "aao"]
# the values of `relgen.language_model`, which would import torch
DType = Literal["float32", "bfloat16", "float16", "float64"]
Quantization = Literal["nf4"]
Half = Literal["a", "b"]


def _described(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """The settings of one generation. Each field's metadata holds its explanation (`help`).

    Raises:
        InputError: a value is of the wrong type, out of range, or contradicts another.
    """

    model: str = _described("smollm2-135m-instruct", "embedded name, local folder or Hub id")
    adapter: str | None = _described(None, "folder of a LoRA adapter that `relgen dpo fit` wrote")
    dtype: DType = _described("float32", "of the weights that are not quantised")
    quantization: Quantization | None = _described(None, "nf4 keeps the base in 4 bits")
    device: str | None = _described(None, "cpu, cuda, …; by default cuda where there is one")
    mode: Mode = _described("obo", "one by one (obo) or all at once (aao)")
    samples: int = _described(16, "accepted samples wanted per relation")
    chains: int = _described(
        1, "chains per relation; each starts from another human sample, and they share `samples`"
    )
    shown: int = _described(1, "aao: labelled demonstrations in a request; obo starts with one")
    per_answer: int | None = _described(
        None, "aao: samples asked for in one answer; by default `samples`"
    )
    window: int | None = _described(
        None,
        "obo: show only the first demonstration and the last N accepted samples; by default all "
        "of them (an ablation: the model goes back to what it no longer sees)",
    )
    diverse: bool = _described(True, "give the diversity instruction")
    types: bool = _described(False, "write entity types into the tags: <head:PERSON>")
    grammar: bool = _described(True, "decode under the grammar of tagged text")
    candidates: int = _described(
        1, "obo: drafts at a step; the accepted one that differs most from the demonstrations stays"
    )
    max_drafts_per_sample: int = _described(
        4, "a relation gives up after this many times `samples` drafts (aao: drafted lines)"
    )
    token_budget: int | None = _described(
        None, "stop a relation once this many tokens are generated, even below `samples`"
    )
    batch: int | None = _described(
        None, "chains decoded at the same time; by default all (the cache grows with it)"
    )
    temperature: float = _described(0.4, "of the sampling; 0 takes the most probable token")
    top_p: float = _described(0.9, "sample from the most probable tokens that reach this mass")
    top_k: int | None = _described(20, "sample from this many most probable tokens")
    repetition_penalty: float = _described(
        1.15, "on tokens that the prompt or the draft holds already (as in transformers)"
    )
    max_new_tokens: int = _described(96, "a sample that is not finished by then is rejected")
    min_words: int = _described(5, "shorter sentences are rejected")
    max_words: int = _described(60, "longer sentences are rejected")
    max_entity_chars: int = _described(60, "longer entities are rejected")
    max_entity_words: int = _described(6, "grammar with one_sentence: an entity's words at most")
    max_context_chars: int = _described(160, "grammar: characters before, between, after entities")
    max_context_words: int = _described(20, "grammar with one_sentence: the same bound in words")
    one_sentence: bool = _described(
        False,
        "grammar: a single sentence of words with spaces between them, ended by . ! or ?; off, any "
        "text in any script",
    )
    near_copy_overlap: float = _described(
        0.7,
        "Jaccard overlap of words, entities aside, from which a draft is a near copy of a "
        "demonstration or of an accepted sample of its relation; 1 forbids equal words only",
    )
    test_overlap: float = _described(0.7, "the same against the samples given with --forbid")
    seed: int = _described(1, "of demonstrations and sampling")
    half: Half | None = _described(
        None, "generate for the relations of this half: with the adapter tuned on the other one"
    )
    half_seed: int | None = _described(
        None, "the seed with which `relgen chains` split the halves; by default `seed`"
    )
    relations: tuple[str, ...] | None = _described(
        None, "generate for these only; by default for all that have a labelled sample"
    )

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for entry in dataclasses.fields(self):
            value = _checked(entry.name, getattr(self, entry.name), hints[entry.name])
            object.__setattr__(self, entry.name, value)
        for name, low in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InputError(f"must be at least {low}", field=name, value=value)
        for name in ("top_p", "near_copy_overlap", "test_overlap"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(
                    "must be above 0 and at most 1", field=name, value=getattr(self, name)
                )
        if self.repetition_penalty <= 0:
            raise InputError(
                "must be positive; 1 switches it off",
                field="repetition_penalty",
                value=self.repetition_penalty,
            )
        if self.min_words > self.max_words:
            raise InputError("is above max_words", field="min_words", value=self.min_words)
        if self.mode == "aao" and self.candidates > 1:
            raise InputError(
                "drafting candidates is for obo",
                field="candidates",
                value=self.candidates,
                remedy="leave it at 1, or use mode: obo",
            )

    @property
    def answer_samples(self) -> int:
        """Samples that one request asks for: 1 in OBO."""
        return 1 if self.mode == "obo" else self.per_answer or self.samples

    def to_dict(self) -> dict[str, Any]:
        """The mapping that a YAML file would hold."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


_AT_LEAST: Mapping[str, float] = {
    **dict.fromkeys(("samples", "chains", "shown", "per_answer", "candidates"), 1),
    **dict.fromkeys(("max_drafts_per_sample", "token_budget", "batch", "top_k", "max_words"), 1),
    **dict.fromkeys(("max_new_tokens", "max_entity_chars", "max_context_chars"), 1),
    **dict.fromkeys(("max_context_words", "max_entity_words"), 1),
    **dict.fromkeys(("window", "temperature", "min_words"), 0),
}


def read_settings(path: str | Path | None, **overrides: Any) -> GenerationSettings:
    """Reads a YAML file, with single values overridden.

    Args:
        path: of the file; None takes the defaults.
        overrides: fields that win over the file.

    Raises:
        InputError: names the file, the key, and the nearest key that there is.
    """
    values: Any = {}
    if path is not None:
        values = read_yaml(path) or {}
        if not isinstance(values, dict):
            raise InputError("must be a mapping of settings", path=path, value=values)
    try:
        return parse_settings({**values, **overrides})
    except InputError as error:
        raise InputError(str(error), path=path) from error


def parse_settings(values: Mapping[str, Any]) -> GenerationSettings:
    """Turns a mapping into settings. Raises InputError for an unknown key or an unusable value."""
    known = [entry.name for entry in dataclasses.fields(GenerationSettings)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise InputError(
                "unknown setting",
                field=str(key),
                value=values[key],
                remedy=f"did you mean '{near[0]}'?" if near else f"settings: {', '.join(known)}",
            )
    return GenerationSettings(**values)


def _checked(name: str, value: Any, hint: Any) -> Any:
    """`value` as the annotated type; raises InputError when it is of another."""
    options = get_args(hint) if type(None) in get_args(hint) else (hint,)
    if value is None and NoneType in options:
        return None
    kind = next(option for option in options if option is not NoneType)
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        expected = f"one of {', '.join(get_args(kind))}"
    elif get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and value and all(isinstance(x, str) for x in value):
            return tuple(value)
        expected = "a list of names"
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            return float(value)
        expected = "a number"
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    else:
        expected = {int: "a whole number", bool: "true or false", str: "a text"}[kind]
    nullable = " or null" if NoneType in options else ""
    raise InputError(f"must be {expected}{nullable}", field=name, value=value)
