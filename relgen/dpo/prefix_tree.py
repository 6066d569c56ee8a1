"""Chains that share prefixes -> one packed row: ids, positions, visibility, targets.

A chain of K pairs is a tree. Its *trunk* is the growing prompt: prefix, then demonstrations. At
each step a *branch* forks off: the cue, then the chosen and the rejected completion. Every token is
in the row once, trunks before branches:

    trunk of tree 0 | trunk of tree 1 | … | cue₀ chosen₀ rejected₀ | cue₁ chosen₁ rejected₁ | …

With depth-first entry and exit times of the nodes, a token q sees a token k iff
`entry[k] <= entry[q] < exit[k]` (k's node is q's own or an ancestor) and k does not come after q.
Positions follow the path from the root. Losses and gradients are those of the plain layout, one row
for each completion.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from relgen.dpo.tokenize import ChainTokens


class Branch(NamedTuple):
    """Offsets in the row, ends exclusive: cue, chosen and rejected completion of one pair.

    The branch sees the trunk up to `fork`.
    """

    fork: int
    start: int
    cue_end: int
    chosen_end: int
    end: int


class TreeShape(NamedTuple):
    """Offsets of a tree in the row: its trunk is `start` to `trunk_end`; its branches adjoin."""

    start: int
    trunk_end: int
    branches: tuple[Branch, ...]


class Span(NamedTuple):
    """The tokens of one forward pass (all, the trunks, or some branches) as offsets in the row."""

    start: int
    end: int

    def trunks(self, batch: TreeBatch) -> list[tuple[int, int]]:
        """Return start and end of each trunk in the span, as offsets in the row."""
        return [
            (shape.start, shape.trunk_end) for shape in batch.shapes if self._holds(shape.start)
        ]

    def branches(self, batch: TreeBatch) -> list[tuple[TreeShape, list[Branch]]]:
        """Return the trees with branches in the span, and these branches."""
        found = (
            (shape, [branch for branch in shape.branches if self._holds(branch.start)])
            for shape in batch.shapes
        )
        return [(shape, branches) for shape, branches in found if branches]

    def _holds(self, place: int) -> bool:
        return self.start <= place < self.end


class MicroBatch(NamedTuple):
    """Adjacent branches, with the slices of the batch's pairs and targets that belong to them.

    No branch sees another and all targets are in branches, so that log-probabilities of a
    micro-batch need its own tokens and the trunks only.
    """

    span: Span
    pairs: slice
    targets: slice


class TreeBatch(NamedTuple):
    """Several trees in one row of N tokens, with T target tokens of B pairs.

    The logits at `target_positions` predict the completions' tokens. The cue's last token occurs
    twice there: it predicts the first token of both completions. The chosen completion of pair i is
    sequence i, the rejected one B + i.

    Shapes: `input_ids` and `position_ids` (1, N); `entries` and `exits` (N,); `target_positions`,
    `target_ids` and `target_sequences` (T,); `completion_tokens` (2B,); `kinds` (B,).
    """

    input_ids: Tensor
    position_ids: Tensor  # from 0 at each tree's root along the path
    entries: Tensor  # depth-first entry time of each token's node
    exits: Tensor  # its exit time
    target_positions: Tensor
    target_ids: Tensor  # the tokens predicted there
    target_sequences: Tensor  # the completion that each belongs to
    completion_tokens: Tensor  # tokens of each completion, by sequence
    kinds: Tensor  # indices into `relgen.dpo.preference_pairs.REJECTION_KINDS`
    shapes: tuple[TreeShape, ...]  # one for each tree
    keys: tuple[str, ...]  # one for each tree (`ChainTokens.key`)
    row_tokens: int  # of the same pairs row by row, without padding

    @property
    def pairs(self) -> int:
        return self.kinds.shape[0]

    @property
    def tokens(self) -> int:
        return self.input_ids.shape[1]

    @property
    def whole(self) -> Span:
        return Span(0, self.tokens)

    @property
    def trunks(self) -> Span:
        """Return the span of all trunks, with which the row begins."""
        return Span(0, self.shapes[-1].trunk_end)

    @property
    def pairs_per_tree(self) -> list[int]:
        return [len(shape.branches) for shape in self.shapes]


def pack(chains: Sequence[ChainTokens]) -> TreeBatch:
    """Pack chains into one row; raise ValueError for no chain, or a chain without pairs."""
    if not chains or not all(chain.chosen for chain in chains):
        raise ValueError("a batch needs at least one chain, and a chain at least one pair")
    row = _Row()
    trunks = [row.add_trunk(chain) for chain in chains]
    shapes = tuple(row.add_branches(c, *trunk) for c, trunk in zip(chains, trunks, strict=True))
    pairs = sum(len(chain.chosen) for chain in chains)
    # chosen completions were numbered 2i and rejected ones 2i + 1 on the way
    sequences = torch.tensor(row.target_sequences)
    sequences = sequences // 2 + sequences % 2 * pairs
    return TreeBatch(
        input_ids=torch.tensor([row.ids]),
        position_ids=torch.tensor([row.positions]),
        entries=torch.tensor(row.entries),
        exits=torch.tensor(row.exits),
        target_positions=torch.tensor(row.target_positions),
        target_ids=torch.tensor(row.target_ids),
        target_sequences=sequences,
        completion_tokens=torch.bincount(sequences, minlength=2 * pairs),
        kinds=torch.tensor([kind for chain in chains for kind in chain.kinds]),
        shapes=shapes,
        keys=tuple(chain.key for chain in chains),
        row_tokens=sum(chain.row_tokens for chain in chains),
    )


def visible(batch: TreeBatch, queries: Tensor, keys: Tensor) -> Tensor:
    """Return a mask of the keys that queries see, (Q, K), for offsets in the row, (Q,) and (K,)."""
    entered = batch.entries[queries][:, None]  # (Q, 1)
    opened = batch.entries[keys][None, :]  # (1, K)
    closed = batch.exits[keys][None, :]  # (1, K)
    before = keys[None, :] <= queries[:, None]  # (Q, K)
    return (opened <= entered) & (entered < closed) & before


def micro_batches(batch: TreeBatch, tokens: int) -> tuple[MicroBatch, ...]:
    """Split the branches of a batch into parts of about the same size.

    A part has more than `tokens` tokens by less than a branch.
    """
    branches = [branch for shape in batch.shapes for branch in shape.branches]
    trunk = batch.trunks.end
    total = batch.tokens - trunk
    count = math.ceil(total / tokens)
    ends = [branch.end - trunk for branch in branches]
    # a part ends with the branch that reaches its share of the tokens
    cuts = sorted({bisect_left(ends, total * (part + 1) // count) + 1 for part in range(count)})
    targets = list(accumulate((branch.end - branch.cue_end for branch in branches), initial=0))
    found = []
    for first, last in pairwise([0, *cuts]):
        start, end = branches[first].start, branches[last - 1].end
        taken = slice(first, last), slice(targets[first], targets[last])
        found.append(MicroBatch(Span(start, end), *taken))
    return tuple(found)


def prompt_ids(batch: TreeBatch, tree: int, pair: int) -> Tensor:
    """Return the prompt of a pair (numbered within its tree), as used in generation, (P,)."""
    shape = batch.shapes[tree]
    branch = shape.branches[pair]
    row = batch.input_ids[0]
    return torch.cat([row[shape.start : branch.fork], row[branch.start : branch.cue_end]])


class _Row:
    """Grows the lists that `pack` turns into tensors."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.entries: list[int] = []
        self.exits: list[int] = []
        self.target_positions: list[int] = []
        self.target_ids: list[int] = []
        self.target_sequences: list[int] = []
        self._time = 0
        self._completions = 0

    def add_trunk(self, chain: ChainTokens) -> tuple[int, int, int]:
        """Return start and end in the row, and the entry time of the first node."""
        start, root, steps = len(self.ids), self._time, len(chain.chosen)
        # each step enters a trunk node, its cue and two completions; all trunk nodes stay open
        # until the tree's end, since the later ones are below the earlier ones
        self._time = close = root + 4 * steps
        for step, demonstration in enumerate(chain.demonstrations):
            segment = [*chain.prefix, *demonstration] if step == 0 else demonstration
            self._add(segment, len(self.ids) - start, root + 4 * step, close)
        return start, len(self.ids), root

    def add_branches(self, chain: ChainTokens, start: int, end: int, root: int) -> TreeShape:
        branches = []
        for step, fork in enumerate(chain.forks()):
            entry, branch_start = root + 4 * step + 1, len(self.ids)
            self._add(chain.cue, fork, entry, entry + 3)
            cue_end, position = len(self.ids), fork + len(chain.cue)
            self._add_completion(chain.chosen[step], cue_end - 1, position, entry + 1)
            chosen_end = len(self.ids)
            self._add_completion(chain.rejected[step], cue_end - 1, position, entry + 2)
            branches.append(Branch(start + fork, branch_start, cue_end, chosen_end, len(self.ids)))
        return TreeShape(start, end, tuple(branches))

    def _add(self, segment: list[int], position: int, entry: int, close: int) -> None:
        self.ids += segment
        self.positions += range(position, position + len(segment))
        self.entries += [entry] * len(segment)
        self.exits += [close] * len(segment)

    def _add_completion(self, ids: list[int], cue_last: int, position: int, entry: int) -> None:
        first = len(self.ids)
        self._add(ids, position, entry, entry + 1)
        self.target_positions += [cue_last, *range(first, first + len(ids) - 1)]
        self.target_ids += ids
        self.target_sequences += [self._completions] * len(ids)
        self._completions += 1
