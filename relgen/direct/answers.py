"""All labels' names as one trie of tokens, and the ways of choosing one of them.

Names share their beginnings (`Cause-Effect(e1,e2)`, `Cause-Effect(e2,e1)`), so that a trie holds
few tokens more than it has leaves. One pass of the model over it, below a question, gives what
either way of choosing needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class AnswerTrie(NamedTuple):
    """R answers as N tokens; a token's parent stands before it.

    Args:
        ids: (N,), token ids.
        parents: (N,), index of the token before; -1 at the start of an answer.
        depths: (N,), tokens before it.
        paths: for each answer its tokens' indices.
    """

    ids: Tensor
    parents: Tensor
    depths: Tensor
    paths: tuple[tuple[int, ...], ...]

    def visible(self) -> Tensor:
        """(N, N), bool: which tokens (columns) a token sees: itself and those before it."""
        seen = torch.eye(len(self.ids), dtype=torch.bool)
        for index, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                seen[index] |= seen[parent]
        return seen


def build_trie(answers: Sequence[Sequence[int]]) -> AnswerTrie:
    """Joins answers at their common beginnings.

    Args:
        answers: token ids of R answers, each with the token that ends it: no answer is then the
            beginning of another one.

    Raises:
        ValueError: an answer is empty, or two are equal.
    """
    if not all(answers) or len(set(map(tuple, answers))) < len(answers):
        raise ValueError("answers must differ, and hold a token at least")
    ids: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    children: dict[tuple[int, int], int] = {}
    paths = []
    for answer in answers:
        node, path = -1, []
        for depth, token in enumerate(answer):
            if (node, token) not in children:
                children[node, token] = len(ids)
                ids.append(token)
                parents.append(node)
                depths.append(depth)
            node = children[node, token]
            path.append(node)
        paths.append(tuple(path))
    return AnswerTrie(torch.tensor(ids), torch.tensor(parents), torch.tensor(depths), tuple(paths))


def mean_log_likelihoods(trie: AnswerTrie, log_probabilities: Tensor) -> Tensor:
    """Each answer's log-likelihood divided by its length in tokens.

    Args:
        trie: R answers of N tokens.
        log_probabilities: (..., N), of each token given what it sees.

    Returns:
        (..., R)
    """
    return torch.stack([log_probabilities[..., list(path)].mean(-1) for path in trie.paths], dim=-1)


def decode_greedily(trie: AnswerTrie, log_probabilities: Tensor) -> int:
    """The answer that greedy decoding gives when only the trie's answers are allowed.

    Args:
        trie: R answers of N tokens.
        log_probabilities: (N,), of each token given what it sees. Which of the allowed tokens is
            the most probable does not depend on the others.

    Returns:
        The answer's index.
    """
    followers: dict[int, list[int]] = {}
    for index, parent in enumerate(trie.parents.tolist()):
        followers.setdefault(parent, []).append(index)
    node = -1
    while node in followers:
        node = max(followers[node], key=lambda index: (float(log_probabilities[index]), -index))
    return next(place for place, path in enumerate(trie.paths) if path[-1] == node)


def allowed_probabilities(trie: AnswerTrie, log_probabilities: Tensor) -> Tensor:
    """Each answer's probability when only the trie's answers can be said, token by token.

    Args:
        trie: R answers of N tokens.
        log_probabilities: (..., N).

    Returns:
        (..., R), each row sums to 1.
    """
    logits = log_probabilities.clone()
    parents = trie.parents.tolist()
    for parent in set(parents):
        family = [index for index, own in enumerate(parents) if own == parent]
        logits[..., family] = logits[..., family].log_softmax(-1)
    return torch.stack([logits[..., list(path)].sum(-1) for path in trie.paths], dim=-1).exp()


def find_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a free answer names; None when it names none.

    Its first line counts; case, white space and the punctuation of a sentence around the name do
    not.
    """
    line = text.strip().partition("\n")[0]
    wanted = _plain(line)
    return next((label for label in labels if _plain(label) == wanted), None)


def _plain(name: str) -> str:
    return name.strip().strip(" .\"'`*“”").casefold()
