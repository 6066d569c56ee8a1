"""A trie of the tokens of all labels, and ways to choose one label as the answer.

Labels share prefixes (`Cause-Effect(e1,e2)`, `Cause-Effect(e2,e1)`). One pass of the model over the
trie, after a question, scores them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import normalize

import torch
from torch import Tensor

from relgen.data import RelationSchema, find_mentions


class AnswerTrie(NamedTuple):
    """R answers as N tokens, each after its parent."""

    ids: Tensor  # (N,)
    parents: Tensor  # (N,), index of the preceding token; -1 at the start of an answer
    paths: tuple[tuple[int, ...], ...]  # the indices of each answer's tokens


def build_trie(answers: Sequence[Sequence[int]]) -> AnswerTrie:
    """Merge the common prefixes of R answers, given as token ids.

    Each ends with a terminator, so that none is a prefix of another. Raises ValueError if an answer
    is empty, or two are equal.
    """
    if not all(answers) or len(set(map(tuple, answers))) < len(answers):
        raise ValueError("answers must differ, and have at least one token")
    nodes: dict[tuple[int, int], int] = {}  # by parent and token
    paths = []
    for answer in answers:
        node, path = -1, []
        for token in answer:
            node = nodes.setdefault((node, token), len(nodes))
            path.append(node)
        paths.append(tuple(path))
    parents, ids = zip(*nodes, strict=True)
    return AnswerTrie(torch.tensor(ids), torch.tensor(parents), tuple(paths))


def mean_log_likelihoods(trie: AnswerTrie, log_probabilities: Tensor) -> Tensor:
    """Return each answer's mean token log-probability, (..., R), from those of all, (..., N)."""
    return torch.stack([log_probabilities[..., list(path)].mean(-1) for path in trie.paths], dim=-1)


def greedy_answer(trie: AnswerTrie, log_probabilities: Tensor) -> tuple[int, list[float]]:
    """Decode an answer greedily, restricted to the trie, from the log-probabilities (N,) of all.

    Returns:
        The answer's index, and R probabilities that sum to 1: for the answer, the product of its
        choices' probabilities; those of a rejected branch share its probability equally.
    """
    probabilities, mass = [0.0] * len(trie.paths), 1.0
    remaining, depth = list(range(len(trie.paths))), 0  # answers that begin with the chosen tokens
    while True:
        branches: dict[int, list[int]] = {}
        for answer in remaining:
            branches.setdefault(trie.paths[answer][depth], []).append(answer)
        chances = log_probabilities[list(branches)].softmax(-1).tolist()
        for answers, chance in zip(branches.values(), chances, strict=True):
            for answer in answers:
                probabilities[answer] = mass * chance / len(answers)
        best = max(range(len(chances)), key=chances.__getitem__)
        remaining, mass = list(branches.values())[best], mass * chances[best]
        if len(remaining) == 1:
            return remaining[0], probabilities
        depth += 1


def find_label(text: str, schema: RelationSchema) -> str | None:
    """Return the label that a free answer names by its title, or None.

    Only the first line is read, ignoring case. It may be a sentence that contains the name ("The
    relation is: made of."), but no second one.
    """
    line = text.strip().partition("\n")[0]
    titles = {each.name: each.shown for each in schema}
    for name, title in titles.items():
        if _plain(title) == _plain(line):
            return name
    found = [name for name, title in titles.items() if _within(title, line)]
    # a title within another title that was found does not count
    whole = [
        name
        for name in found
        if not any(_within(titles[name], titles[other]) for other in found if other != name)
    ]
    return whole[0] if len(whole) == 1 else None


def _within(title: str, text: str) -> bool:
    """Return true when a text contains a title as whole words."""
    return bool(find_mentions(text.casefold(), title.casefold(), whole=True))


def _plain(name: str) -> str:
    return normalize("NFC", name.strip().strip(" .。\"'`*“”「」").casefold())
