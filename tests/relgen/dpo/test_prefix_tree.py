"""Trees laid out, number by number."""

from __future__ import annotations

import pytest
import torch

from benchmarks.rows import lay_out_rows
from relgen.dpo.prefix_tree import (
    Branch,
    MicroBatch,
    Span,
    micro_batches,
    pack,
    prompt_ids,
    visible,
)
from relgen.dpo.tokenize import ChainTokens
from tests import tiny

# prefix 1 2; demonstrations 3, then 4 5; cue 6 7; two pairs
CHAIN = ChainTokens(
    id="c",
    prefix=[1, 2],
    demonstrations=[[3], [4, 5]],
    cue=[6, 7],
    chosen=[[10, 0], [12, 0]],
    rejected=[[20, 21, 0], [22, 0]],
    kinds=[0, 2],
)

# rows see columns
VISIBLE = """
1.................
11................
111...............
1111..............
11111.............
111..1............
111..11...........
111..111..........
111..1111.........
111..11..1........
111..11..11.......
111..11..111......
11111.......1.....
11111.......11....
11111.......111...
11111.......1111..
11111.......11..1.
11111.......11..11
"""


def test_one_tree_literally():
    batch = pack([CHAIN])
    #        trunk          | cue   chosen  rejected   | cue  chosen rejected
    ids = [1, 2, 3, 4, 5, 6, 7, 10, 0, 20, 21, 0, 6, 7, 12, 0, 22, 0]
    assert batch.input_ids.tolist() == [ids]
    places = [0, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6, 7, 5, 6, 7, 8, 7, 8]
    assert batch.position_ids.tolist() == [places]
    entries = [0, 0, 0, 4, 4, 1, 1, 2, 2, 3, 3, 3, 5, 5, 6, 6, 7, 7]
    exits = [8, 8, 8, 8, 8, 4, 4, 3, 3, 4, 4, 4, 8, 8, 7, 7, 8, 8]
    assert batch.entries.tolist() == entries
    assert batch.exits.tolist() == exits
    (shape,) = batch.shapes
    assert (shape.start, shape.trunk_end) == (0, 5)
    assert shape.branches == (Branch(3, 5, 7, 9, 12), Branch(5, 12, 14, 16, 18))
    # the cue's last token (6 and 13) predicts the first token of both completions
    assert batch.target_positions.tolist() == [6, 7, 6, 9, 10, 13, 14, 13, 16]
    assert batch.target_ids.tolist() == [10, 0, 20, 21, 0, 12, 0, 22, 0]
    # B = 2: chosen are 0 and 1, rejected 2 and 3
    assert batch.target_sequences.tolist() == [0, 0, 2, 2, 2, 1, 1, 3, 3]
    assert batch.completion_tokens.tolist() == [2, 2, 3, 2]
    assert batch.kinds.tolist() == [0, 2]
    assert (batch.pairs, batch.tokens, batch.row_tokens) == (2, 18, 33)


def test_visibility_literally():
    batch = pack([CHAIN])
    every = torch.arange(batch.tokens)
    assert torch.equal(visible(batch, every, every), _literal())


def _literal():
    return torch.tensor([[cell == "1" for cell in row] for row in VISIBLE.split()])


def test_a_second_tree_starts_anew():
    batch = pack([CHAIN, CHAIN])
    assert batch.tokens == 36
    # both trunks, then the branches of either
    first = torch.tensor([*range(5), *range(10, 23)])
    second = torch.tensor([*range(5, 10), *range(23, 36)])
    (alone,) = pack([CHAIN]).input_ids
    places = pack([CHAIN]).position_ids[0]
    for tree in (first, second):
        assert torch.equal(batch.input_ids[0, tree], alone)
        assert torch.equal(batch.position_ids[0, tree], places)
    assert [(shape.start, shape.trunk_end) for shape in batch.shapes] == [(0, 5), (5, 10)]
    assert batch.shapes[0].branches == (Branch(3, 10, 12, 14, 17), Branch(5, 17, 19, 21, 23))
    assert batch.shapes[1].branches[0] == Branch(8, 23, 25, 27, 30)
    every = torch.arange(36)
    mask = visible(batch, every, every)
    assert not mask[second][:, first].any()
    assert not mask[first][:, second].any()
    assert torch.equal(mask[second][:, second], mask[first][:, first])
    assert torch.equal(mask[first][:, first], _literal())
    # pairs of the first tree are 0 and 1, of the second 2 and 3
    assert batch.target_sequences.tolist() == [0, 0, 4, 4, 4, 1, 1, 5, 5, 2, 2, 6, 6, 6, 3, 3, 7, 7]


def test_parts_literally():
    batch = pack([CHAIN, CHAIN])
    # branches of 7, 6, 7 and 6 tokens, of 5, 4, 5 and 4 targets
    assert micro_batches(batch, 26) == (MicroBatch(Span(10, 36), slice(0, 4), slice(0, 18)),)
    assert micro_batches(batch, 13) == (
        MicroBatch(Span(10, 23), slice(0, 2), slice(0, 9)),
        MicroBatch(Span(23, 36), slice(2, 4), slice(9, 18)),
    )
    # in thirds: the branches that reach 8, 17 and 26 tokens
    assert [part.pairs for part in micro_batches(batch, 12)] == [
        slice(0, 2),
        slice(2, 3),
        slice(3, 4),
    ]
    assert [part.pairs for part in micro_batches(batch, 1)] == [slice(i, i + 1) for i in range(4)]


@pytest.mark.parametrize("tokens", [1, 50, 100, 333, 10_000])
def test_parts_are_all_branches_and_of_about_one_size(tokens):
    batch = pack([tiny.chain_tokens(pairs, seed=pairs) for pairs in (9, 1, 16)])
    found = micro_batches(batch, tokens)
    longest = max(branch.end - branch.start for shape in batch.shapes for branch in shape.branches)
    spans = [part.span for part in found]
    assert spans[0].start == batch.trunks.end
    assert spans[-1].end == batch.tokens
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert max(span.end - span.start for span in spans) <= tokens + longest
    assert len(found) <= -(-(batch.tokens - batch.trunks.end) // tokens)
    for part in found:
        inside = torch.unique(batch.target_sequences[part.targets] % batch.pairs)
        assert inside.tolist() == list(range(part.pairs.start, part.pairs.stop))
        at = batch.target_positions[part.targets]
        assert part.span.start <= int(at.min()) <= int(at.max()) < part.span.end
    assert found[-1].pairs.stop == batch.pairs
    assert found[-1].targets.stop == len(batch.target_ids)


@pytest.mark.parametrize("pairs", [1, 2, 7, 16])
def test_what_a_completion_sees_is_its_row(pairs):
    chains = [tiny.chain_tokens(pairs, seed=1), tiny.chain_tokens(2, seed=2)]
    batch, rows = pack(chains), lay_out_rows(chains)
    mask = visible(batch, torch.arange(batch.tokens), torch.arange(batch.tokens))
    for sequence in range(2 * batch.pairs):
        last = batch.target_positions[batch.target_sequences == sequence][-1] + 1
        if batch.completion_tokens[sequence] == 1:
            continue
        seen = mask[last].nonzero()[:, 0]
        length = int(rows.attention_mask[sequence].sum())
        assert batch.input_ids[0, seen].tolist() == rows.input_ids[sequence, :length].tolist()
        assert batch.position_ids[0, seen].tolist() == list(range(length))


def test_counts_agree_with_the_layouts():
    chains = [tiny.chain_tokens(pairs, seed=pairs) for pairs in (1, 5, 8)]
    batch, rows = pack(chains), lay_out_rows(chains)
    assert batch.tokens == sum(chain.tree_tokens for chain in chains)
    assert batch.row_tokens == int(rows.attention_mask.sum())
    assert batch.pairs_per_tree == [1, 5, 8]


def test_prompt_of_a_pair():
    batch = pack([tiny.chain_tokens(3), CHAIN])
    assert prompt_ids(batch, 1, 0).tolist() == [1, 2, 3, 6, 7]
    assert prompt_ids(batch, 1, 1).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_empty_is_refused():
    with pytest.raises(ValueError, match="at least one chain"):
        pack([])
