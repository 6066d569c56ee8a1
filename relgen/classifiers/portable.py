"""Applies an exported classifier, with onnxruntime, tokenizers and numpy only.

`relgen export CLASSIFIER --to onnx` writes a copy of this file into its folder, as
`relation_classifier.py`, so that neither relgen nor torch need be installed where it runs:

    from relation_classifier import RelationClassifier

    classifier = RelationClassifier("FOLDER", weights="int8")
    classifier.predict([("Ann founded Acme in 1990.", "Acme", "Ann")])

The layouts, which turn a sample's tokens into the network's input, are those of relgen itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

ROLES = ("head", "tail")
Range = tuple[int, int]


class Encoded(NamedTuple):
    """A sample as token ids.

    `positions` are indices into `input_ids` whose states the classifier reads; every sample of an
    encoding has the same number P of them. `truncated` is True if the text was cut to fit.
    """

    input_ids: list[int]
    positions: list[int]
    truncated: bool


@dataclass(frozen=True)
class MarkerLayout:
    """Entity markers; `positions` are the opening ones of head and tail.

    Args:
        start: tokens at the start of every input; `end` those at its end.
        max_length: longest input in tokens.
        around: by role and entity type (`""` for others), the opening and the closing marker.
    """

    start: list[int]
    end: list[int]
    max_length: int
    around: dict[str, dict[str, list[list[int]]]]

    @staticmethod
    def texts(text: str, head: Range, tail: Range) -> list[str]:
        """Return the texts to tokenise separately."""
        return split_around(text, head, tail)

    def join(
        self, ids: Sequence[list[int]], head: Range, tail: Range, types: Sequence[str]
    ) -> Encoded:
        """Join the token ids of the texts; `types` are those of head and tail, or `""`."""
        tokens, starts, spans = list(ids[0]), dict[str, int](), dict[str, Range]()
        for (_, role, begins), following in zip(boundaries(head, tail), ids[1:], strict=True):
            known = self.around[role]
            opening, closing = known.get(types[ROLES.index(role)]) or known[""]
            starts.setdefault(role, len(tokens))
            tokens += opening if begins else closing
            spans[role] = (starts[role], len(tokens))
            tokens += following
        budget = self.max_length - len(self.start) - len(self.end)
        kept = keep_nearest(len(tokens), [spans["head"], spans["tail"]], budget)
        place = {index: len(self.start) + row for row, index in enumerate(kept)}
        return Encoded(
            self.start + [tokens[index] for index in kept] + self.end,
            [place[spans[role][0]] for role in ROLES],
            len(kept) < len(tokens),
        )


@dataclass(frozen=True)
class PromptLayout:
    """A sentence, and a prompt with both mentions, type words and a mask.

    `positions` are five: the mask's, those of both `sub`, those of both `obj`.

    Args:
        start: tokens at the start of every input; `between` those between sentence and prompt, and
            `end` those at its end.
        max_length: longest input in tokens. The sentence is cut around both entities; of the prompt
            only mentions are cut, to a quarter of the available length each.
        sub: the type word around the head; `obj` the one around the tail.
        mask: the mask token.
    """

    start: list[int]
    between: list[int]
    end: list[int]
    max_length: int
    sub: int
    obj: int
    mask: int

    @staticmethod
    def texts(text: str, head: Range, tail: Range) -> list[str]:
        """Return the texts to tokenise separately."""
        # byte-level vocabularies contain most words only with a leading space
        mentions = [f" {text[start:end]}" for start, end in (head, tail)]
        return [*split_around(text, head, tail), *mentions]

    def join(
        self, ids: Sequence[list[int]], head: Range, tail: Range, types: Sequence[str]
    ) -> Encoded:
        """Join the token ids of the texts; types do not matter."""
        *pieces, of_head, of_tail = ids
        whole = sum(map(len, ids))
        fixed = len(self.start) + len(self.between) + len(self.end) + 5  # the prompt's own
        room = self.max_length - fixed
        of_head, of_tail = of_head[: room // 4], of_tail[: room // 4]
        tokens = [token for piece in pieces for token in piece]
        ends = [sum(map(len, pieces[: count + 1])) for count in range(4)]
        places: dict[str, list[int]] = {role: [] for role in ROLES}
        for (_, role, _), end in zip(boundaries(head, tail), ends, strict=True):
            places[role].append(end)
        spans = [(begin, end) for begin, end in places.values()]
        kept = keep_nearest(len(tokens), spans, room - len(of_head) - len(of_tail))
        before = [*self.start, *(tokens[index] for index in kept), *self.between]
        prompt = [self.sub, *of_head, self.sub, self.mask, self.obj, *of_tail, self.obj]
        second_sub = len(before) + 1 + len(of_head)
        mask = second_sub + 1
        return Encoded(
            [*before, *prompt, *self.end],
            [mask, len(before), second_sub, mask + 1, mask + 2 + len(of_tail)],
            len(kept) + len(of_head) + len(of_tail) < whole,
        )


Layout = MarkerLayout | PromptLayout
_LAYOUTS = {layout.__name__: layout for layout in (MarkerLayout, PromptLayout)}


def describe(layout: Layout) -> dict[str, Any]:
    """Return a layout as JSON, for the `layout` of an exported classifier's configuration."""
    return {"name": type(layout).__name__, "settings": asdict(layout)}


def boundaries(head: Range, tail: Range) -> list[tuple[int, str, bool]]:
    """Return where the entities begin (True) and end, each with its role, in the text's order.

    Of entities that begin together the longer one begins first, or else the head. The same as
    `Sample.boundaries`, which this file cannot import.
    """
    entities = {"head": head, "tail": tail}
    first, second = sorted(entities, key=lambda role: (entities[role][0], -entities[role][1]))
    (start, end), (begin, stop) = entities[first], entities[second]
    inner = [(begin, second, True), (stop, second, False)]
    # the first one ends before, after or inside of the second
    inner.insert(0 if end <= begin else 2 if stop <= end else 1, (end, first, False))
    return [(start, first, True), *inner]


def split_around(text: str, head: Range, tail: Range) -> list[str]:
    """Split a text into five pieces at the boundaries of its entities.

    They are: before, first entity, between, second entity, after, unless the entities overlap.
    White space before an entity moves into its piece, since byte-level vocabularies know most words
    only with a leading space.
    """
    pieces, position, space = list[str](), 0, ""
    for place, _, begins in boundaries(head, tail):
        piece = space + text[position:place]
        bare = piece.rstrip() if begins else piece
        pieces.append(bare)
        position, space = place, piece[len(bare) :]
    return [*pieces, space + text[position:]]


def keep_nearest(length: int, spans: Sequence[Range], budget: int) -> list[int]:
    """Return the indices of the tokens to keep of a text that is too long, ascending.

    Markers have priority, then the entities' own tokens (from their starts), then the context
    by its distance from the nearer entity.

        >>> keep_nearest(12, [(1, 4), (8, 11)], 8)      # markers at 1, 3, 8 and 10
        [0, 1, 2, 3, 4, 8, 9, 10]

    `spans` are start and end (exclusive) of each entity, its two markers included.
    """
    if length <= budget:
        return list(range(length))

    def rank(index: int) -> tuple[int, int, int]:
        if any(index in (start, end - 1) for start, end in spans):
            return (0, 0, index)
        inside = [index - start for start, end in spans if start < index < end]
        if inside:
            return (1, min(inside), index)
        distance = min(start - index if index < start else index - end + 1 for start, end in spans)
        return (2, distance, index)

    return sorted(sorted(range(length), key=rank)[:budget])


class RelationClassifier:
    """A classifier that `relgen export --to onnx` wrote.

    Args:
        folder: the folder.
        weights: `float32`, or `int8`, which is smaller and faster; few of its labels differ.
        threads: processor threads; 0 takes all.
    """

    def __init__(self, folder: str | Path, *, weights: str = "float32", threads: int = 0) -> None:
        import onnxruntime

        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if weights not in config["graphs"]:
            raise ValueError(f"no weights {weights!r} in {folder}; there are {config['graphs']}")
        self.labels: list[str] = config["labels"]
        self.negative: str | None = config["negative"]
        self.thresholds: dict[str, float] = config["thresholds"]
        self._types: list[Sequence[Sequence[str]]] = config["types"]
        self._pad: int = config["pad_id"]
        self._layout = _LAYOUTS[config["layout"]["name"]](**config["layout"]["settings"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # names of special tokens in the text are ordinary text
        self._tokenizer.encode_special_tokens = True
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(folder / config["graphs"][weights]), options, ["CPUExecutionProvider"]
        )

    def predict(
        self,
        inputs: Sequence[tuple[str, str | Range, str | Range]],
        types: Sequence[tuple[str | None, str | None]] | None = None,
        *,
        token_budget: int = 2048,
    ) -> list[dict[str, Any]]:
        """Predict for each (text, head, tail) the `relation`, its `score`, and all `scores`.

        Mentions are given as written in the text, where they must be once, or as (start, end)
        offsets in characters, `end` exclusive. `types` are the entities' types, if they are known:
        relations that exclude them have the probability 0, unless that would leave none. A batch
        has up to `token_budget` tokens, padding included.
        """
        types = types or [(None, None)] * len(inputs)
        logits = self.logits(inputs, types, token_budget)
        for row, kinds in zip(logits, types, strict=True):
            allowed = self._allowed(*kinds)
            if allowed.any():
                row[~allowed] = -np.inf
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = exponents / exponents.sum(axis=1, keepdims=True)  # (N, R)
        return [
            {
                "relation": self.labels[row.argmax()],
                "score": round(float(row.max()), 6),
                "scores": {
                    label: round(float(value), 6)
                    for label, value in zip(self.labels, row, strict=True)
                },
            }
            for row in rows
        ]

    def answer(
        self, prediction: dict[str, Any], *, threshold: float | None = None, abstain: bool = False
    ) -> str | None:
        """Return a predicted relation if its probability reaches the threshold.

        Otherwise return the negative relation; or None, no answer, with `abstain` and for
        classifiers without a negative relation. By default, each relation has the threshold that
        the classifier was saved with.
        """
        own = self.thresholds.get(prediction["relation"], 0.0)
        if prediction["score"] >= (own if threshold is None else threshold):
            return str(prediction["relation"])
        return None if abstain else self.negative

    def logits(
        self,
        inputs: Sequence[tuple[str, str | Range, str | Range]],
        types: Sequence[tuple[str | None, str | None]],
        token_budget: int,
    ) -> Any:
        """Return the logits (N, R) of N inputs of `predict`, in the order of `labels`."""
        encoded = self._encode(inputs, types)
        found = np.empty((len(encoded), len(self.labels)), dtype=np.float32)
        lengths = [len(one.input_ids) for one in encoded]
        for rows in _batches(lengths, token_budget):
            length = max(lengths[row] for row in rows)
            ids = np.full((len(rows), length), self._pad, dtype=np.int64)
            mask = np.zeros((len(rows), length), dtype=np.int64)
            for place, row in enumerate(rows):
                ids[place, : lengths[row]] = encoded[row].input_ids
                mask[place, : lengths[row]] = 1
            positions = np.array([encoded[row].positions for row in rows], dtype=np.int64)
            feeds = {"input_ids": ids, "attention_mask": mask, "positions": positions}
            (found[rows],) = self._session.run(None, feeds)
        return found

    def _allowed(self, head: str | None, tail: str | None) -> Any:
        """Return for each label whether it allows entities of these types, (R,)."""
        allows = [
            all(
                not kind or not known or kind in known
                for kind, known in zip((head, tail), pair, strict=True)
            )
            for pair in self._types
        ]
        return np.array(allows)

    def _encode(
        self,
        inputs: Sequence[tuple[str, str | Range, str | Range]],
        types: Sequence[tuple[str | None, str | None]],
    ) -> list[Encoded]:
        if not inputs:
            return []
        spans = [(_span(text, head), _span(text, tail)) for text, head, tail in inputs]
        texts = [
            piece
            for (text, _, _), (head, tail) in zip(inputs, spans, strict=True)
            for piece in self._layout.texts(text, head, tail)
        ]
        ids = [one.ids for one in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        size = len(ids) // len(inputs)
        return [
            self._layout.join(
                ids[size * row : size * (row + 1)], head, tail, [kind or "" for kind in kinds]
            )
            for row, ((head, tail), kinds) in enumerate(zip(spans, types, strict=True))
        ]


def _span(text: str, mention: str | Range) -> Range:
    """Return a mention's offsets; raise ValueError if they are not clear, or out of range."""
    if isinstance(mention, str):
        if not mention or text.count(mention) != 1:
            raise ValueError(
                f"the mention {mention!r} is {text.count(mention)} times in {text!r}; give its "
                "(start, end) offsets"
            )
        start = text.index(mention)
        return start, start + len(mention)
    start, end = mention
    if not 0 <= start < end <= len(text):
        raise ValueError(f"offsets {start}, {end} are not within the text {text!r}")
    return start, end


def _batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Yield rows of similar lengths, with up to `token_budget` tokens, or single ones."""
    rows: list[int] = []
    # ascending, so that the last row of a batch is its longest
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if rows and (len(rows) + 1) * lengths[row] > token_budget:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
