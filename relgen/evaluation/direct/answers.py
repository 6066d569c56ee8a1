"""All labels' names as one trie of tokens, and the ways of choosing one of them.

Names share their beginnings (`Cause-Effect(e1,e2)`, `Cause-Effect(e2,e1)`), so that a trie holds
few tokens more than it has leaves. One pass of the model over it, below a question, gives what
either way of choosing needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from relgen.data import RelationSchema


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


class Descent:
    """Greedy decoding of one answer where only the trie's answers can be said.

    Tokens without an alternative need no model: `step` gives all that are certain at once.

    Args:
        trie: R answers.

    Attributes:
        answer: index of the answer, once it is certain; None before.
        probabilities: R numbers that sum to 1: of the answer that was decoded, the product of its
            choices' probabilities; those of a branch that was not taken share what it had.
    """

    def __init__(self, trie: AnswerTrie) -> None:
        alone = len(trie.paths) == 1
        self.answer: int | None = 0 if alone else None
        self.probabilities = [1.0 if alone else 0.0] * len(trie.paths)
        self._trie = trie
        self._open = list(range(len(trie.paths)))  # answers that begin with what is decoded
        self._depth = 0
        self._mass = 1.0

    def step(self, logits: Tensor) -> list[int]:
        """Chooses the next token.

        Args:
            logits: (V,), after what has been decoded so far.

        Returns:
            It and those that must follow it, up to the next choice; none once `answer` is known.
        """
        branches: dict[int, list[int]] = {}
        for answer in self._open:
            token = int(self._trie.ids[self._trie.paths[answer][self._depth]])
            branches.setdefault(token, []).append(answer)
        tokens = list(branches)
        chances = logits[tokens].float().softmax(-1).tolist()
        best = max(range(len(tokens)), key=lambda place: (chances[place], -place))
        for token, chance in zip(tokens, chances, strict=True):
            for answer in branches[token]:
                self.probabilities[answer] = self._mass * chance / len(branches[token])
        self._open, self._mass = branches[tokens[best]], self._mass * chances[best]
        self._depth += 1
        forced = self.certain()
        if len(self._open) == 1:
            self.answer = self._open[0]
            return []
        return [tokens[best], *forced]

    def certain(self) -> list[int]:
        """The tokens with which all open answers go on; they count as decoded then."""
        tokens = []
        while len(self._open) > 1:
            following = {self._trie.paths[answer][self._depth] for answer in self._open}
            if len(following) > 1:
                break
            tokens.append(int(self._trie.ids[following.pop()]))
            self._depth += 1
        return tokens


def find_label(text: str, schema: RelationSchema) -> str | None:
    """The label that a free answer names, by its title; None when it names none.

    Its first line counts. It may be a sentence around the name ("The relation is: made of."), as
    long as it names no second relation; case does not count.
    """
    line = text.strip().partition("\n")[0]
    titles = {each.name: each.shown for each in schema}
    exact = [name for name, title in titles.items() if _plain(title) == _plain(line)]
    if exact:
        return exact[0]
    found = [name for name, title in titles.items() if _within(title, line)]
    # a title that is part of another one that is there is not named itself
    whole = [
        name
        for name in found
        if not any(_within(titles[name], titles[other]) for other in found if other != name)
    ]
    return whole[0] if len(whole) == 1 else None


def _within(title: str, text: str) -> bool:
    """Whether a text holds a title, not as a part of a longer word."""
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", text, re.IGNORECASE) is not None


def _plain(name: str) -> str:
    return name.strip().strip(" .\"'`*“”").casefold()
