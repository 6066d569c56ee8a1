"""What can be chosen about a generation: one frozen record for YAML, command line and Python.

A field's name is its YAML key, and its command line option with dashes for underscores. The
defaults are the paper's (Li, Dai, Li, ACL 2025). Leaves out which files are read and written: those
are arguments of `relgen generate` and of `run.generate`.
"""

# ruff: noqa: RUF009 - `described` is `dataclasses.field` with a text; it holds no state

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from relgen.common import (
    InputError,
    check_fields,
    described,
    from_mapping,
    located,
    read_yaml,
    resolved,
)
from relgen.generation.backends.server_settings import ServerSettings
from relgen.generation.files.shards import Shard

Mode = Literal["obo", "aao"]
# the values of `relgen.models.causal_lm`, which would import torch
DType = Literal["float32", "bfloat16", "float16", "float64"]
Quantization = Literal["nf4"]
Half = Literal["a", "b"]
BackendName = Literal["transformers", "openai"]
Markup = Literal["tagged", "fields"]


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """The settings of one generation. Each field's metadata holds its explanation (`help`).

    Raises:
        InputError: a value is of the wrong type, out of range, or contradicts another.
    """

    backend: BackendName = described(
        "transformers",
        "who decodes: a model in this process (transformers), or any server that speaks OpenAI's "
        "protocol, such as `vllm serve` (openai; see `server`)",
    )
    model: str = described(
        "smollm2-135m-instruct",
        "embedded name, local folder or Hub id; openai: the name that the server knows",
    )
    adapter: str | None = described(None, "folder of a LoRA adapter that `relgen dpo fit` wrote")
    dtype: DType = described(
        "float32",
        "of the weights that are not quantised; auto (in files and on the command line): bfloat16 "
        "where this machine has matrix units for it",
    )
    quantization: Quantization | None = described(None, "nf4 keeps the base in 4 bits")
    device: str | None = described(None, "cpu, cuda, …; by default cuda where there is one")
    mode: Mode = described("obo", "one by one (obo) or all at once (aao)")
    samples: int = described(16, "accepted samples wanted per relation")
    chains: int = described(
        1, "chains per relation; each starts from another human sample, and they share `samples`"
    )
    shown: int = described(1, "aao: labelled demonstrations in a request; obo starts with one")
    per_answer: int | None = described(
        None, "aao: samples asked for in one answer; by default `samples`"
    )
    window: int | None = described(
        None,
        "obo: show only the first demonstration and the last N accepted samples; by default all "
        "of them (an ablation: the model goes back to what it no longer sees)",
    )
    diverse: bool = described(True, "give the diversity instruction")
    markup: Markup = described(
        "tagged",
        "how a sample is written: <head>…</head> in the sentence (tagged), or a line of named "
        "fields without relation explanation and diversity instruction, as Xu et al. 2023 do "
        "(fields)",
    )
    types: bool = described(False, "write entity types into the tags: <head:PERSON>")
    grammar: bool = described(True, "decode under the grammar of tagged text")
    candidates: int = described(
        1, "obo: drafts at a step; the accepted one that differs most from the demonstrations stays"
    )
    max_drafts_per_sample: int = described(
        4, "a relation gives up after this many times `samples` drafts (aao: drafted lines)"
    )
    token_budget: int | None = described(
        None, "stop a relation once this many tokens are generated, even below `samples`"
    )
    batch: int | None = described(
        None, "chains decoded at the same time; by default all (the cache grows with it)"
    )
    temperature: float = described(0.4, "of the sampling; 0 takes the most probable token")
    top_p: float = described(0.9, "sample from the most probable tokens that reach this mass")
    top_k: int | None = described(20, "sample from this many most probable tokens")
    repetition_penalty: float = described(
        1.15, "on tokens that the prompt or the draft holds already (as in transformers)"
    )
    max_new_tokens: int = described(96, "a sample that is not finished by then is rejected")
    min_words: int = described(5, "shorter sentences are rejected")
    max_words: int = described(60, "longer sentences are rejected")
    max_entity_chars: int = described(60, "longer entities are rejected")
    max_entity_words: int = described(6, "grammar with one_sentence: an entity's words at most")
    max_context_chars: int = described(160, "grammar: characters before, between, after entities")
    max_context_words: int = described(20, "grammar with one_sentence: the same bound in words")
    one_sentence: bool = described(
        False,
        "grammar: a single sentence of words with spaces between them, ended by . ! or ?; off, any "
        "text in any script",
    )
    near_copy_overlap: float = described(
        0.7,
        "Jaccard overlap of words, entities aside, from which a draft is a near copy of a "
        "demonstration or of an accepted sample of its relation; 1 forbids equal words only",
    )
    test_overlap: float = described(0.7, "the same against the samples given with --forbid")
    seed: int = described(1, "of demonstrations and sampling")
    half: Half | None = described(
        None, "generate for the relations of this half: with the adapter tuned on the other one"
    )
    half_seed: int | None = described(
        None, "the seed with which `relgen chains` split the halves; by default `seed`"
    )
    relations: tuple[str, ...] | None = described(
        None, "generate for these only; by default for all that have a labelled sample"
    )
    shard: str | None = described(
        None,
        "i/n: write the i-th of n parts of the relations, such as 2/4, on one of n machines; "
        "`relgen generate --merge n` joins them",
    )
    server: ServerSettings | None = described(None, "openai: where the server is, and its manners")

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_backend()
        if self.shard is not None:
            Shard.parse(self.shard)
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

    def _check_backend(self) -> None:
        if (self.backend == "openai") != (self.server is not None):
            raise InputError(
                "goes with backend: openai, and only with it",
                field="server",
                value=None if self.server is None else self.server.base_url,
                remedy="name the server, e.g. server: {base_url: http://localhost:8000/v1}"
                if self.server is None
                else "set backend: openai, or leave `server` out",
            )
        if self.backend == "openai" and self.adapter is not None:
            raise InputError(
                "a server applies its own adapters",
                field="adapter",
                value=self.adapter,
                remedy="serve the adapter (relgen export --merge, or vLLM's --lora-modules) and "
                "give its served name as `model`",
            )

    @property
    def answer_samples(self) -> int:
        """Samples that one request asks for: 1 in OBO."""
        return 1 if self.mode == "obo" else self.per_answer or self.samples

    def to_dict(self) -> dict[str, Any]:
        """The mapping that a YAML file would hold."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def identity(self) -> dict[str, Any]:
        """Return the settings that the drafts depend on; a server's address is not among them."""
        server = None if self.server is None else self.server.identity()
        return {**self.to_dict(), "server": server}


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
        overrides: fields that win over the file; those of `server` are merged with the file's.

    Raises:
        InputError: names the file, the key, and the nearest key that there is.
    """
    values: Any = {}
    if path is not None:
        values = read_yaml(path) or {}
        if not isinstance(values, dict):
            raise InputError("must be a mapping of settings", path=path, value=values)
    given = _keys(overrides)
    if isinstance(values.get("server"), dict) and isinstance(overrides.get("server"), dict):
        overrides["server"] = {**values["server"], **overrides["server"]}
    try:
        chosen = {**values, **overrides}
        if "dtype" in chosen:
            chosen["dtype"] = resolved(chosen["dtype"])
        return from_mapping(GenerationSettings, chosen)
    except InputError as error:
        if path is None or error.field in given:  # no file is to blame
            raise
        raise located(error, path) from error


def _keys(values: Mapping[str, Any]) -> set[str]:
    """The keys of settings, as messages name them: those of `server` as `server.base_url`."""
    nested = {
        f"{name}.{key}"
        for name, value in values.items()
        if isinstance(value, Mapping)
        for key in value
    }
    return nested | set(values)
