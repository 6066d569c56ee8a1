"""Hidden states of a frozen language model at a few tokens and layers of each sample.

A sample is read in three *views*: texts, with the places where states are taken. The state of a
causal model depends only on earlier tokens. Two kinds of view work around that:

- *echo*: the sentence twice; in the second copy, each entity has seen the whole sentence (Springer
  et al. 2024, *Repetition Improves Language Model Embeddings*, arXiv 2402.15449);
- *statement*: the sentence, then the beginning of a statement about the relation between both
  entities, whose last state predicts the continuation. There is one for each order of the two.

Models of a billion parameters or more say in a statement all that an echo could add, and say it in
deeper layers: they read no echo, which takes a third of the tokens (docs/notebook/labelling.md).

Views do not depend on the schema, and share a prefix: one row holds it once, then the rest of each.
Layers above the last one needed are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from relgen.common import InputError, ReadingDType
from relgen.data import Sample
from relgen.kernels import accelerate, window_options
from relgen.models import (
    check_architecture,
    context_window,
    lay_out_trees,
    length_batches,
    load_language_model,
    load_tokenizer,
    random_texts,
)
from relgen.prompting import shared_length

# shares of the model's depth, for models without and with an echo: the middle layers encode most
# about relations, the last ones predict the next word
DEPTHS = {False: (0.64, 0.71, 0.77, 0.83, 0.9), True: (0.5, 0.6, 0.7, 0.77, 0.83)}
ECHO_BELOW = 1_000_000_000
"""A model with as many parameters or more reads no echo."""
_TOKENS_A_BATCH = 1024
_SPECIAL_TOKENS = 8  # at most, that a tokenizer adds to a text


class View(NamedTuple):
    """A text, with a state taken at the last token that begins before each end (in characters)."""

    text: str
    ends: tuple[int, ...]


def exchange(states: Tensor) -> Tensor:
    """Return the states (N, S, L, H) of samples whose head and tail are exchanged."""
    return states.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)


def views(sample: Sample, *, echo: bool = True) -> list[View]:
    """Return the views, with four ends in all: echoed head, echoed tail, both statements.

    Without `echo`, these are two views with an end each.

    >>> print(views(sample)[1].text)
    Ann lives in Bern.
    In this sentence, the relation between "Ann" and "Bern" is that the Ann
    """
    text, head, tail = sample.text, sample.head_text.strip(), sample.tail_text.strip()
    pairs = ((head, tail), (tail, head))
    texts = [
        f'{text}\nIn this sentence, the relation between "{a}" and "{b}" is that the {a}'
        for a, b in pairs
    ]
    statements = [View(stated, (len(stated),)) for stated in texts]
    if not echo:
        return statements
    second = len(text) + 1
    return [
        View(f"{text}\n{text}", (second + sample.head.end, second + sample.tail.end)),
        *statements,
    ]


class SharedRow(NamedTuple):
    """Texts with a common prefix as a tree: the common tokens, then those of each text."""

    ids: list[int]
    parents: list[int]  # index of the token before each; -1 for the first
    places: list[int]  # indices of the tokens whose states are needed


def share(texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> SharedRow:
    """Lay out texts, given as token ids and the indices of the tokens to read, as one row."""
    common = shared_length([ids for ids, _ in texts])
    row = SharedRow(list(texts[0][0][:common]), list(range(-1, common - 1)), [])
    for ids, places in texts:
        start = len(row.ids)
        row.places.extend(at if at < common else at + start - common for at in places)
        row.ids.extend(ids[common:])
        row.parents.extend([common - 1, *range(start, len(row.ids) - 1)][: len(ids) - common])
    return row


class StateReader:
    """Reads the hidden states of a language model: an embedded name, local folder or Hub id."""

    def __init__(self, model: str, dtype: ReadingDType, device: torch.device) -> None:
        self.tokenizer = load_tokenizer(model)
        if not self.tokenizer.is_fast:
            problem = "labelling needs a tokenizer that provides the offsets of its tokens"
            remedy = "choose a model with a fast tokenizer"
            raise InputError(problem, field="model", value=model, remedy=remedy)
        check_architecture(model, "labelling", reading_difference)
        loaded: Any = load_language_model(
            model,
            dtype=dtype,
            device=device,
            working=lambda memory: _TOKENS_A_BATCH * memory.activations,
        )
        self.model: Any = loaded.to(device).eval()
        self._name, self._window = model, context_window(loaded.config)
        blocks = decoder_layers(self.model)
        self.echo = loaded.num_parameters() < ECHO_BELOW
        self.layers = sorted({max(1, round(x * len(blocks))) for x in DEPTHS[self.echo]})
        self.width = int(self.model.config.get_text_config().hidden_size)
        self.slots = 4 if self.echo else 2
        self.features = self.slots * len(self.layers) * self.width
        self._read = [blocks[layer - 1] for layer in self.layers]
        del blocks[self.layers[-1] :]
        accelerate(self.model.get_decoder(), for_="reading", int8=dtype == "int8")

    def check_lengths(self, samples: Iterable[Sample]) -> None:
        """Raise InputError for the first sample that is longer than the model's window."""
        for sample in samples:
            if needed := self.too_many(sample):
                raise InputError(
                    f"sentence '{sample.id}' needs {needed} tokens with what is asked about it, "
                    f"more than the {self._window} positions of this model",
                    field="model",
                    value=self._name,
                    remedy="shorten the sentence, leave it out, or use another model",
                )

    def too_many(self, sample: Sample) -> int:
        """Return the tokens of a view that is longer than the model's window; 0 if none is."""
        if self._window is None:
            return 0
        # a token holds a byte at least: short texts need no tokeniser
        most = self._window - _SPECIAL_TOKENS
        long = [view for view in self.views(sample) if len(view.text.encode()) >= most]
        needed = max((len(self._tokens(view)[0]) for view in long), default=0)
        return needed if needed > self._window else 0

    @torch.inference_mode()
    def read(self, samples: Sequence[Sample]) -> Tensor:
        """Return the states of N samples in S slots (see `views`): (N, S, L, H), on the CPU."""
        states = torch.empty(len(samples), self.slots, len(self.layers), self.width)
        rows = [share([self._tokens(view) for view in self.views(sample)]) for sample in samples]
        for batch in length_batches([len(row.ids) for row in rows], _TOKENS_A_BATCH):
            hidden = _shared_states(self.model, self._read, [rows[number] for number in batch])
            for place, number in enumerate(batch):
                taken = [layer[place, rows[number].places] for layer in hidden]  # L times (S, H)
                states[number] = torch.stack(taken, dim=1).float().cpu()
        return states

    def views(self, sample: Sample) -> list[View]:
        """Return the views of a sample that this model reads."""
        return views(sample, echo=self.echo)

    def _tokens(self, view: View) -> tuple[list[int], list[int]]:
        """Return a text's ids, and the last token that begins before each end."""
        encoded = self.tokenizer(
            view.text, return_offsets_mapping=True, split_special_tokens=True, verbose=False
        )
        offsets = encoded["offset_mapping"]
        places = [
            max(i for i, (start, stop) in enumerate(offsets) if start < min(end, stop))
            for end in view.ends
        ]
        return list(encoded["input_ids"]), places


def layer_states(
    model: Any,
    layers: Sequence[nn.Module],
    ids: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    **options: Tensor,
) -> list[Tensor]:
    """Return the outputs of some of the decoder's layers, (B, T, H) each.

    `ids` and `positions` are (B, T), the mask is (B, 1, T, T), True where a token sees a key. None
    stands for those of plain texts. `options` are further arguments of the model.
    """
    found: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        found[layer] = output[0] if isinstance(output, tuple) else output

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        model.get_decoder()(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            use_cache=False,
            **options,
        )
    finally:
        for hook in hooks:
            hook.remove()
    return [found[layer] for layer in layers]


def reading_difference(model: Any) -> Tensor:
    """Return how much states of texts that share a row differ from those of single texts.

    For `relgen.models.check_architecture`.
    """
    prefix, *ends = random_texts(4, 9, 9, 12, 15)
    texts = [prefix + end for end in ends]
    layers = list(decoder_layers(model))
    single = [layer_states(model, layers, torch.tensor([ids])) for ids in texts]
    plain = [torch.cat([states[0] for states in layer]) for layer in zip(*single, strict=True)]
    rows = [share([(ids, range(len(ids))) for ids in chosen]) for chosen in (texts, texts[:1])]
    found = _shared_states(model, layers, rows)
    together = [states[0, rows[0].places] for states in found]
    return torch.cat(together) - torch.cat(plain)


def decoder_layers(model: Any) -> nn.ModuleList:
    """Return the layers of a causal language model's decoder; raise AttributeError if none."""
    count = model.config.get_text_config().num_hidden_layers
    for module in model.get_decoder().modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise AttributeError(f"no list of {count} layers in {type(model).__name__}")


def _shared_states(
    model: Any, layers: Sequence[nn.Module], rows: Sequence[SharedRow]
) -> list[Tensor]:
    """Return the outputs of layers for rows of texts that share a prefix, (B, T, H) each."""
    laid_out = lay_out_trees([(row.ids, row.parents) for row in rows])
    ids, positions, mask = (part.to(model.device) for part in laid_out)
    windows = window_options(model.config, positions, positions)
    return layer_states(model, layers, ids, positions, mask, **windows)
