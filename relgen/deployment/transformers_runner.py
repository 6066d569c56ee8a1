"""Predicts with a classifier exported to transformers, without relgen and without remote code.

`relgen export CLASSIFIER --to hf` writes a copy of this file into its folder, as `relations.py`.
The folder itself is an ordinary model of transformers. Entity markers are a token classifier of 2 R
labels: a relation's logit is the sum of its two labels' at the two opening markers. KnowPrompt is a
masked language model that fills in one of R answer words.

    from relations import Relations

    relations = Relations("FOLDER")
    relations.predict("Ann founded Acme in 1990.", head=(12, 16), tail=(0, 3))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

Range = tuple[int, int]


class Relations:
    """A pipeline of transformers, and what it is asked."""

    def __init__(self, folder: str | Path = Path(__file__).parent) -> None:
        settings = json.loads((Path(folder) / "relations.json").read_text(encoding="utf-8"))
        self.settings: dict[str, Any] = settings
        self.labels: list[str] = settings["labels"]
        self.pipe: Any = pipeline(settings["task"], model=str(folder), trust_remote_code=False)

    @torch.inference_mode()
    def predict(
        self,
        text: str,
        head: Range,
        tail: Range,
        types: tuple[str | None, str | None] = (None, None),
    ) -> dict[str, float]:
        """Return the probability of each relation between two (start, end) spans of a text.

        Nothing is cut: a text that does not fit the model raises ValueError. `types` are the
        entities' types, if they are known: relations that exclude them have the probability 0,
        unless that would leave none.
        """
        if self.settings["task"] == "token-classification":
            logits = self._marked(text, head, tail, types)
        else:
            logits = self._prompted(text, head, tail)
        allowed = [
            (not types[0] or not heads or types[0] in heads)
            and (not types[1] or not tails or types[1] in tails)
            for heads, tails in self.settings["types"]
        ]
        if any(allowed):
            logits[[not one for one in allowed]] = -torch.inf
        probabilities = (logits / self.settings["temperature"]).softmax(dim=-1).tolist()
        return dict(zip(self.labels, probabilities, strict=True))

    def _marked(self, text: str, head: Range, tail: Range, types: Any) -> torch.Tensor:
        """Return the logits (R,), from the labels of the two opening markers."""
        tags = {
            role: self.settings["markers"][role].get(kind or "")
            or self.settings["markers"][role][""]
            for role, kind in zip(("head", "tail"), types, strict=True)
        }
        marked, places, position, space = "", dict[str, int](), 0, ""
        for place, role, begins in _boundaries(head, tail):
            piece = space + text[position:place]
            bare = piece.rstrip() if begins else piece
            marked, position, space = marked + bare, place, piece[len(bare) :]
            tag = tags[role][0 if begins else 1]
            # some markers begin with a space
            places.setdefault(role, len(marked) + len(tag) - len(tag.lstrip()))
            marked += tag
        marked += space
        inputs = self.pipe.tokenizer(
            marked + text[position:], return_tensors="pt", return_offsets_mapping=True
        )
        self._check_length(inputs)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        logits = self.pipe.model(**inputs).logits[0]  # (T, 2 R)
        at_head, at_tail = (
            next(row for row, (start, end) in enumerate(offsets) if start <= places[role] < end)
            for role in ("head", "tail")
        )
        count = len(self.labels)
        summed: torch.Tensor = logits[at_head, :count] + logits[at_tail, count:]
        return summed

    def _prompted(self, text: str, head: Range, tail: Range) -> torch.Tensor:
        """Return the logits (R,) of the answer words at the prompt's mask."""
        mentions = {"head": text[slice(*head)], "tail": text[slice(*tail)]}
        asked = text + self.settings["prompt"].format(**mentions)
        inputs = self.pipe.tokenizer(asked, return_tensors="pt")
        self._check_length(inputs)
        # the mask of the prompt: a text may contain another
        mask = (inputs["input_ids"][0] == self.pipe.tokenizer.mask_token_id).nonzero()[-1]
        answers = self.pipe.tokenizer.convert_tokens_to_ids(self.settings["answers"])
        logits: torch.Tensor = self.pipe.model(**inputs).logits[0, mask][0, answers]
        return logits

    def _check_length(self, inputs: Any) -> None:
        count, most = inputs["input_ids"].shape[1], self.pipe.tokenizer.model_max_length
        if count > most:
            raise ValueError(f"the text has {count} tokens, and the model takes {most}: shorten it")


def _boundaries(head: Range, tail: Range) -> list[tuple[int, str, bool]]:
    """Return where the entities begin (True) and end, each with its role, in the text's order."""
    entities = {"head": head, "tail": tail}
    first, second = sorted(entities, key=lambda role: (entities[role][0], -entities[role][1]))
    (start, end), (begin, stop) = entities[first], entities[second]
    inner = [(begin, second, True), (stop, second, False)]
    # the first one ends before, after or inside of the second
    inner.insert(0 if end <= begin else 2 if stop <= end else 1, (end, first, False))
    return [(start, first, True), *inner]
