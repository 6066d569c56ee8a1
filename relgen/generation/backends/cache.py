"""A key/value cache whose rows differ in length: slot i of a row holds its token i.

There is no left padding and there are no gaps. A row is cut by reducing its length: slots beyond
it stay hidden until they are overwritten. Storage grows in steps, so that a decoding step copies
nothing but its own keys and values.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from relgen.kernels import window_options
from relgen.models import logits_at

TOKENS_A_PASS = 2048
"""Tokens that are read at a time, or those of one row: their activations take memory."""
STEP = 128
"""Storage of a row grows by multiples of this many tokens."""
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}


class Placement(NamedTuple):
    """The slots that a forward pass writes."""

    rows: Tensor  # (B,)
    slots: Tensor  # (B, T), also the tokens' positions
    length: int  # L, number of keys that the pass sees in each row
    total: int  # number of rows in the cache
    span: slice | None  # the rows if they stand in a row, so that reading needs no copy


class RaggedLayer(CacheLayerMixin):
    """Keys and values of one layer, each (R, H, C, D): rows, heads, capacity in slots, width.

    The values may be of another width than the keys: with multi-head latent attention, they are the
    rotated part of the keys.
    """

    def __init__(self) -> None:
        super().__init__()
        self.placement: Placement | None = None

    def held(self) -> tuple[Tensor, Tensor]:
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Set dtype and device; `grow` allocates the storage."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = key_states.new_zeros(0, key_states.shape[1], 0, key_states.shape[3])
        self.values = value_states.new_zeros(0, value_states.shape[1], 0, value_states.shape[3])
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write (B, H, T, D) to the slots of the placement; return (B, H, L, D) of both."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self.placement
        assert place is not None
        self.grow(place.total, place.length)
        keys, values = self.held()
        at = (place.rows[:, None], slice(None), place.slots)
        keys[at] = key_states.transpose(1, 2)
        values[at] = value_states.transpose(1, 2)
        rows = place.rows if place.span is None else place.span
        return keys[rows, :, : place.length], values[rows, :, : place.length]

    def grow(self, rows: int, length: int) -> None:
        """Enlarge the storage to at least `rows` rows of `length` slots."""
        have_rows, _, have_slots, _ = self.held()[0].shape
        if rows <= have_rows and length <= have_slots:
            return
        # by a quarter at least: growing copies everything
        slots = have_slots if length <= have_slots else max(length, have_slots + have_slots // 4)
        rows, slots = max(rows, have_rows), -(-slots // STEP) * STEP
        old = self.held()
        self.keys, self.values = (
            pages_of_zeros(states, (rows, states.shape[1], slots, states.shape[3]))
            for states in old
        )
        for states, new in zip(old, self.held(), strict=True):
            new[:have_rows, :, :have_slots] = states

    def copy(
        self, source: RaggedLayer, rows: Sequence[int], places: Sequence[int], length: int
    ) -> None:
        """Copy the first `length` slots of rows of a layer, or of this one, to rows of this one."""
        for own, other in zip(self.held(), source.held(), strict=True):
            for row, place in zip(rows, places, strict=True):
                own[place, :, :length] = other[row, :, :length]

    def exchange(self, first: int, second: int, length: int) -> None:
        """Exchange the first `length` slots of two rows."""
        for states in self.held():
            states[[first, second], :, :length] = states[[second, first], :, :length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return (0 if self.placement is None else self.placement.length), 0

    def get_seq_length(self) -> int:
        """Return 0: nothing is derived from a common length."""
        return 0

    def get_max_length(self) -> int:
        """Return -1: there is no maximum."""
        return -1


class RaggedCache(Cache):
    """The cache of all layers, with the length of each row."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[RaggedLayer() for _ in range(layers)])
        self.lengths: list[int] = []

    def options(self, config: Any, positions: Tensor, length: int) -> dict[str, Any]:
        """Return further arguments of the model, for its attention function.

        `positions` (B, T) are those of the new tokens, each of which sees at most `length` keys.
        """
        return window_options(
            config, positions, torch.arange(length, device=positions.device)[None]
        )

    @property
    def ragged(self) -> list[RaggedLayer]:
        return cast(list[RaggedLayer], self.layers)

    def append(self, model: Any, rows: Sequence[int], news: Sequence[Sequence[int]]) -> Tensor:
        """Run a causal language model over new tokens (`news`, at least one each) of B rows.

        Returns:
            The logits after each row's last token, (B, V), in float32 or float64.
        """
        self._add(rows)  # before the first part: growing copies everything
        size = max(1, TOKENS_A_PASS // max(map(len, news)))
        parts = [
            self._append(model, rows[start : start + size], news[start : start + size])
            for start in range(0, len(rows), size)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _append(self, model: Any, rows: Sequence[int], news: Sequence[Sequence[int]]) -> Tensor:
        device, counts = model.device, [len(new) for new in news]
        width = max(counts)
        ids = torch.tensor([[*new, *[0] * (width - len(new))] for new in news])  # (B, T)
        positions, mask = self.place(rows, counts, device)
        logits = logits_at(
            model,
            torch.tensor(counts, device=device)[:, None] - 1,
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self,
            use_cache=True,
            **self.options(model.config, positions, mask.shape[-1]),
        )[:, 0]
        return logits if logits.dtype == torch.float64 else logits.float()

    def _add(self, rows: Sequence[int]) -> None:
        self.lengths += [0] * (max(rows) + 1 - len(self.lengths))

    def place(
        self, rows: Sequence[int], counts: Sequence[int], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Prepare a forward pass that appends `counts` tokens to `rows`, and lengthen the rows.

        Each row gets T = max(counts) slots, the rest of which hold padding until the next pass.
        Return position ids (B, T) and the mask (B, 1, T, L), True where a query sees a key.
        """
        self._add(rows)
        starts = torch.tensor([self.lengths[row] for row in rows])
        slots = starts[:, None] + torch.arange(max(counts))
        length = int(slots.max()) + 1
        slots = slots.to(device)
        mask = torch.arange(length, device=device) <= slots[:, None, :, None]
        after = rows[0] + len(rows)
        in_order = list(rows) == list(range(rows[0], after))
        placement = Placement(
            rows=torch.tensor(list(rows), device=device),
            slots=slots,
            length=length,
            total=len(self.lengths),
            span=slice(after - len(rows), after) if in_order else None,
        )
        for layer in self.ragged:
            layer.placement = placement
        for row, count in zip(rows, counts, strict=True):
            self.lengths[row] += count
        return slots, mask

    def copy_rows(self, source: RaggedCache, rows: Sequence[int]) -> None:
        """Replace this cache by rows of another, which may repeat, and reuse its storage."""
        self.lengths = [source.lengths[row] for row in rows]
        length = max(self.lengths)
        for layer, other in zip(self.ragged, source.ragged, strict=True):
            have = layer.held()[0].shape if layer.is_initialized else (0, 0, 0)
            if have[0] < len(rows) or have[2] < length + STEP:
                layer.lazy_initialization(*other.held())
                layer.grow(len(rows), length + STEP)
            layer.copy(other, rows, range(len(rows)), length)

    def spread(self, row: int, places: Sequence[int]) -> None:
        """Copy a row to other rows, existing or new."""
        length = self.lengths[row]
        self._add(places)
        for layer in self.ragged:
            layer.grow(len(self.lengths), length)
            layer.copy(layer, [row] * len(places), places, length)
        for place in places:
            self.lengths[place] = length

    def exchange(self, first: int, second: int) -> None:
        """Exchange two rows."""
        lengths = self.lengths
        if first != second:
            for layer in self.ragged:
                layer.exchange(first, second, max(lengths[first], lengths[second]))
            lengths[first], lengths[second] = lengths[second], lengths[first]

    def drop(self, row: int) -> None:
        """Remove a row and move the last row to its place."""
        if row != len(self.lengths) - 1:
            self.spread(len(self.lengths) - 1, [row])
        self.lengths.pop()


def pages_of_zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros with the tensor's dtype and device, on a CPU in separate memory pages.

    The storage of a growing cache never fits into a gap that an earlier, smaller one left in the
    heap. Separate pages return to the system as soon as they are unused.
    """
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    pages = mmap.mmap(-1, math.prod(shape) * like.itemsize, **_PRIVATE)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)
