"""Defines the settings of a generation and of a server, for YAML, command line and Python.

The defaults are the paper's (Li, Dai, Li, ACL 2025). Input and output files are arguments of
`relgen.generation.generate` instead.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from relgen.common import (
    ONLY_TYPED,
    InputError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Quantization,
    ReadingDType,
    Share,
    check,
    resolved,
)
from relgen.data import NEAR_COPY, Half, LabelledFile, SamplesFile, SchemaName
from relgen.generation.files.shards import RelationShard
from relgen.models import AdapterFolder, DeviceName, ModelName

if TYPE_CHECKING:
    from relgen.generation.files.journal import Usage


ServerKind = Literal["other", "openai", "vllm", "llama.cpp"]
Api = Literal["chat", "completions"]
_IRRELEVANT = (
    *("base_url", "api_key_variable", "concurrency", "timeout", "retries"),
    *("price_prompt", "price_completion", "cost_budget", "total_token_budget"),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one server.

    Raises:
        InputError: the address is invalid, or two values contradict each other.
    """

    base_url: str = "http://localhost:8000/v1"
    """Address of the server, including /v1."""
    kind: ServerKind = "other"
    """Kind of server: vllm and llama.cpp receive the grammar, top_k and the repetition penalty;
    for openai and other, the grammar is only checked afterwards.
    """
    api: Api = "chat"
    """Let the server apply the chat template (chat), or apply it as in tuning (completions; see
    `tokenizer`).
    """
    tokenizer: str | None = None
    """Embedded name, local folder or Hub id of the model's tokeniser, for completions."""
    system_role: bool = True
    """Send the Task Description as the system message (chat); otherwise in the user message."""
    api_key_variable: str = field(default="OPENAI_API_KEY", metadata=ONLY_TYPED)
    """Environment variable with the API key; no key is sent if it is unset. Another one than this
    can be named on the command line only: a file from others could name any secret.
    """
    concurrency: PositiveInt = 16
    """Maximum number of concurrent requests."""
    timeout: PositiveFloat = 120.0
    """Maximum number of seconds for an answer."""
    retries: NonNegativeInt = 6
    """Retries of a failed request, with exponential back-off or the server's Retry-After."""
    price_prompt: NonNegativeFloat = 0.0
    """Price of a million prompt tokens."""
    price_completion: NonNegativeFloat = 0.0
    """Price of a million generated tokens."""
    cost_budget: NonNegativeFloat | None = None
    """Stop the run once it costs this much."""
    total_token_budget: PositiveInt | None = None
    """Stop the run after this many prompt and generated tokens."""

    def __post_init__(self) -> None:
        if any(mark in self.base_url for mark in "@?#"):  # not shown: it may hold a key
            raise InputError(
                "contains a user name or a password, or a query, which would be written to files",
                field="server.base_url",
                remedy=f"put the key into the environment variable {self.api_key_variable}",
            )
        if not _is_address(self.base_url):
            raise InputError(
                "is not a server's address",
                field="server.base_url",
                value=self.base_url,
                remedy="such as http://localhost:8000/v1",
            )
        if not re.fullmatch(r"\w+", self.api_key_variable):  # it may be the key itself
            raise InputError("is not the name of a variable", field="server.api_key_variable")
        if self.cost_budget is not None and self.price_prompt + self.price_completion == 0:
            raise InputError(
                "needs the keys `price_prompt` and `price_completion`",
                field="server.cost_budget",
                value=self.cost_budget,
                remedy="set them, each for a million tokens",
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that influence the drafts."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in _IRRELEVANT}

    def account(self, total: Usage) -> dict[str, Any]:
        """Return the tokens and the cost of a run, for its summary."""
        return {
            "answers": total.answers,
            "unusable_answers": total.unusable,
            "prompt_tokens": total.prompt,
            "completion_tokens": total.completion,
            "cost": round(total.cost(self.price_prompt, self.price_completion), 6),
        }


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # a port above 65535, or half an IPv6 address
        return False
    return known and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f\x7f-\x9f]", text)


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Settings of one generation.

    Raises:
        InputError: a value has the wrong type, is out of range, or contradicts another.
    """

    backend: Literal["transformers", "openai"] = "transformers"
    """Decode with a model in this process (transformers), or on a server with an OpenAI-compatible
    API, such as `vllm serve` (openai; see `server`).
    """
    model: ModelName = "smollm2-135m-instruct"
    """Embedded name, local folder, GGUF file or Hub id; for a server, its name for the model."""
    adapter: AdapterFolder | None = None
    """Folder of a LoRA adapter that `relgen dpo fit` wrote."""
    dtype: ReadingDType = "float32"
    """Dtype of the weights that are not quantised; auto: bfloat16 where this machine has matrix
    units for it, else float32. int8 rounds them, for CPUs.
    """
    quantization: Quantization | None = None
    """Keep the base model in 4 bits (nf4)."""
    device: DeviceName | None = None
    """Device to run on (cpu, cuda, …); by default cuda if available."""
    mode: Literal["obo", "aao"] = "obo"
    """One by one (obo) or all at once (aao)."""
    samples: PositiveInt = 16
    """Number of accepted samples to generate per relation."""
    chains: PositiveInt = 1
    """Chains per relation; each starts from a different human sample, and they share `samples`."""
    shown: PositiveInt = 1
    """Labelled demonstrations per request (aao; obo starts with one)."""
    per_answer: PositiveInt | None = None
    """Samples to request per answer (aao); by default `samples`."""
    window: NonNegativeInt | None = None
    """Show only the first demonstration and the last N accepted samples (obo); by default all of
    them. For ablations: the model repeats samples that it no longer sees.
    """
    diverse: bool = True
    """Include the diversity instruction in the prompt."""
    markup: Literal["tagged", "fields"] = "tagged"
    """Form of a sample: <head>…</head> in the sentence (tagged), or a line of named fields without
    relation explanation and diversity instruction, as in Xu et al. 2023 (fields).
    """
    types: bool = False
    """Write entity types into the tags: <head:PERSON>."""
    grammar: bool = True
    """Constrain decoding with a grammar, so that every draft has the right form."""
    candidates: PositiveInt = 1
    """Drafts per step (obo); the acceptable one most unlike the demonstrations is kept."""
    max_drafts_per_sample: PositiveInt = 4
    """Give up on a relation after this many times `samples` drafts (in aao, drafted lines)."""
    token_budget: PositiveInt | None = None
    """Stop a relation once this many tokens are generated, even below `samples`."""
    batch: PositiveInt | None = None
    """Chains to decode at the same time, at least those of a relation; by default as many as there
    is memory for.
    """
    temperature: NonNegativeFloat = 0.4
    """Sampling temperature; 0 takes the most probable token."""
    top_p: Share = 0.9
    """Sample from the most probable tokens whose probabilities reach this sum."""
    top_k: PositiveInt | None = 20
    """Sample from this many most probable tokens."""
    repetition_penalty: PositiveFloat = 1.15
    """Penalty on tokens of the prompt and the draft, as in transformers; 1 disables it."""
    max_new_tokens: PositiveInt = 96
    """Maximum number of tokens per sample; an unfinished one is rejected."""
    min_words: NonNegativeInt | None = None
    """Minimum number of words, or of characters where a script has no spaces; shorter sentences are
    rejected. By default 5, less if a labelled sample has fewer.
    """
    max_words: PositiveInt | None = None
    """Maximum number of words; longer sentences are rejected. Where a script has no spaces, three
    characters count as a word. By default 60, more if a labelled sample has more.
    """
    max_entity_chars: PositiveInt = 60
    """Maximum number of characters in an entity; longer ones are rejected."""
    max_entity_words: PositiveInt | None = None
    """Maximum number of words in an entity, for the grammar with one_sentence, which bends a longer
    text. By default 3, or as many as a labelled sample has: then longer ones are rejected.
    """
    max_context_chars: PositiveInt | None = None
    """Maximum number of characters before, between and after the entities, for the grammar, in the
    same way; by default 160, or as many as a labelled sample has.
    """
    max_context_words: PositiveInt | None = None
    """The same limit in words, for the grammar with one_sentence; by default 10, or as many as a
    labelled sample has.
    """
    one_sentence: bool = False
    """Let the grammar accept only a single sentence of words separated by spaces that ends with . !
    or ? (not for Chinese, Japanese, Thai or Korean); otherwise it accepts any text in any script.
    """
    other_scripts: Literal["reject", "whole", "accept"] = "reject"
    """Drafts with letters of a script that no labelled sample has: reject them, accept those that
    are wholly in such a script (another language; Chinese words in an English sentence stay
    rejected), or accept all.
    """
    near_copy_overlap: Share = NEAR_COPY
    """Jaccard overlap of words (where a script has no spaces: of letters and pairs of neighbours)
    outside the entities from which a draft counts as a near copy of a demonstration or of an
    accepted sample of its relation; 1 rejects equal words only.
    """
    test_overlap: Share = NEAR_COPY
    """The same overlap with samples of --forbid, from which a draft counts as a test leak."""
    seed: int = 1
    """Seed of demonstrations and sampling."""
    half: Half | None = None
    """Generate for the relations of this half, with the adapter tuned on the other one."""
    half_seed: int | None = None
    """Seed with which `relgen chains` split the halves; by default `seed`."""
    relations: tuple[str, ...] | None = None
    """Generate for these relations only; by default for all that have a labelled sample."""
    shard: str | None = None
    """Generate for one shard of the relations, such as 2/4, to use several machines;
    `relgen generate --merge 4` merges the shards.
    """
    server: ServerSettings | None = None
    """Settings of a server, for backend openai."""

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "dtype", resolved(self.dtype))
        if self.shard is not None:
            RelationShard.parse(self.shard)
        if self.max_words is not None and (self.min_words or 0) > self.max_words:
            raise InputError(
                f"is above max_words, which is {self.max_words}",
                field="min_words",
                value=self.min_words,
                remedy="lower it, or raise max_words",
            )
        if self.dtype == "int8" and self.quantization is not None:
            raise InputError(
                f"does not go with quantization: {self.quantization}",
                field="dtype",
                value=self.dtype,
                remedy="give one of the two",
            )
        if self.mode == "aao" and self.candidates > 1:
            raise InputError(
                "several candidates are for obo only",
                field="candidates",
                value=self.candidates,
                remedy="leave it at 1, or use mode: obo",
            )
        if (self.backend == "openai") != (self.server is not None):
            raise InputError(
                "must be given with backend: openai, and only with it",
                field="server",
                value=None if self.server is None else self.server.base_url,
                remedy="name the server, e.g. server: {base_url: http://localhost:8000/v1}"
                if self.server is None
                else "set backend: openai, or remove `server`",
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
        """Return the number of samples that one request asks for: 1 in OBO."""
        return 1 if self.mode == "obo" else self.per_answer or self.samples

    def identity(self) -> dict[str, Any]:
        """Return the settings that influence the drafts; a server's address does not."""
        server = None if self.server is None else self.server.identity()
        return {**dataclasses.asdict(self), "server": server}


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions(GenerationSettings):
    """Let a language model write samples, one by one (obo) or all at once (aao), under a grammar.

    If it is stopped, run the same command again to continue. The keys of the file that -c
    names are the options, with underscores for dashes.
    """

    train: LabelledFile
    """File with labelled samples (samples.jsonl)."""
    schema: SchemaName
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (generated.jsonl)."""
    forbid: SamplesFile | None = None
    """File of samples that must never be written, such as the test set."""
    force: bool = False
    """Replace the output of other settings or inputs."""
    merge: PositiveInt | None = None
    """Merge the N shards that --shard 1/N to N/N have written, instead of generating."""
