"""Entity markers: a sample as token ids with special tokens or punctuation around both entities.

    The [HEAD] storm [/HEAD] brought a [TAIL] power cut [/TAIL] .
    The @ storm @ brought a # power cut # .

Ids are put together piece by piece, so that the markers' positions are known and never searched
for: neither side-by-side entities nor a text that contains `[HEAD]` can confuse them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from relgen.classifiers.base import Encoded, Encoding
from relgen.common import InputError, text_hash
from relgen.data import Sample

# part of the cache key of tokenised tables: raise it when ids or positions change
ENCODING_VERSION = 1
ROLES = ("head", "tail")
MINIMUM_LENGTH = 16
Markers = Literal["special", "punctuation"]
# around an entity, and around its type behind the opening one
_PUNCTUATION = {"head": (" @", " *"), "tail": (" #", " ^")}


class MarkerEncoding(Encoding):
    """Encodes samples with entity markers; `positions` are the head's and the tail's opening ones.

    Args:
        tokenizer: a fast tokenizer; the markers are added to it.
        types: entity types that markers name, such as `[HEAD:PERSON]`. Entities of other types, or
            of none, get the plain marker.
        markers: `special` tokens, which join the vocabulary; or `punctuation` that every vocabulary
            knows, with types in words: `@ * person * Ann @`, `# ^ city ^ Bern #`. These are "typed
            entity marker" and "typed entity marker (punct)" of Zhou and Chen (2022, arXiv
            2102.01373, table 1), whose special tokens name the type at the end as well.
        max_length: longest input in tokens, markers and special tokens included.

    Raises:
        InputError: `max_length` leaves no room for two entities, or the vocabulary lacks the
            punctuation.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        types: Sequence[str] = (),
        markers: Markers = "special",
        max_length: int = 192,
    ) -> None:
        if max_length < MINIMUM_LENGTH:
            raise InputError(
                f"must be at least {MINIMUM_LENGTH}: both entities and their markers have to fit",
                field="max_length",
                value=max_length,
            )
        self.tokenizer = tokenizer
        self.types = tuple(sorted(set(types)))
        self.max_length = max_length
        self.markers: Markers = markers
        names = marker_names(self.types) if markers == "special" else []
        tokenizer.add_tokens(
            [AddedToken(name, special=True, normalized=False) for name in names],
            special_tokens=True,
        )
        ids = cast(list[int], tokenizer.convert_tokens_to_ids(names))
        self._markers = dict(zip(names, ids, strict=True))
        self._around = {
            (role, kind): self._surroundings(role, kind)
            for role in ROLES
            for kind in (None, *self.types)
        }
        self._start, self._end = special_ends(tokenizer)
        self.pad_id = int(tokenizer.pad_token_id or 0)

    @property
    def marker_ids(self) -> dict[str, int]:
        """The token ids of special markers, by name; none with punctuation."""
        return dict(self._markers)

    @property
    def key(self) -> str:
        """Over the tokenizer's content and the settings; 16 hex digits."""
        content = self.tokenizer.backend_tokenizer.to_str()
        settings = (ENCODING_VERSION, self.types, self.markers, self.max_length, content)
        return text_hash(repr(settings))[:16]

    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Encodes samples, in order.

        A text that does not fit is cut around both entities (see `keep_nearest`) and says so.
        """
        if not samples:
            return []
        pieces = [piece for sample in samples for piece in split_around(sample)]
        # special tokens that stand in the text are text
        ids = self.tokenizer(
            pieces,
            add_special_tokens=False,
            split_special_tokens=True,
            verbose=False,
        )["input_ids"]
        return [
            self._join(sample, ids[5 * row : 5 * row + 5]) for row, sample in enumerate(samples)
        ]

    def decode(self, input_ids: Sequence[int]) -> str:
        """Token ids as text, markers included, padding left out."""
        kept = [token for token in input_ids if token != self.pad_id]
        return str(self.tokenizer.decode(kept))

    def save(self, folder: Path) -> None:
        """Writes the tokenizer with its markers."""
        self.tokenizer.save_pretrained(str(folder))

    def _join(self, sample: Sample, ids: Sequence[list[int]]) -> Encoded:
        before, first, between, second, after = ids
        order = ROLES if sample.head.start < sample.tail.start else ROLES[::-1]
        tokens = list(before)
        spans: dict[str, tuple[int, int]] = {}
        for role, mention, following in ((order[0], first, between), (order[1], second, after)):
            start = len(tokens)
            entity = sample.head if role == "head" else sample.tail
            kind = entity.type if entity.type in self.types else None
            opening, closing = self._around[role, kind]
            tokens += [*opening, *mention, *closing]
            spans[role] = (start, len(tokens))
            tokens.extend(following)
        budget = self.max_length - len(self._start) - len(self._end)
        kept = keep_nearest(len(tokens), [spans["head"], spans["tail"]], budget)
        place = {index: len(self._start) + row for row, index in enumerate(kept)}
        return Encoded(
            self._start + [tokens[index] for index in kept] + self._end,
            [place[spans[role][0]] for role in ROLES],
            len(kept) < len(tokens),
        )

    def _surroundings(self, role: str, kind: str | None) -> tuple[list[int], list[int]]:
        """What stands before an entity of a type, and after it."""
        if self.markers == "special":
            name = f"[{role.upper()}]" if kind is None else f"[{role.upper()}:{kind}]"
            return [self._markers[name]], [self._markers[f"[/{role.upper()}]"]]
        outer, inner = _PUNCTUATION[role]
        typed = "" if kind is None else f"{inner} {type_words(kind)}{inner}"
        texts = [f"{outer}{typed}", outer]
        opening, closing = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        if self.tokenizer.unk_token_id in closing:
            raise InputError(
                f"this model's vocabulary lacks{outer}",
                field="markers",
                value=self.markers,
                remedy="use special markers",
            )
        return opening, closing


def type_words(kind: str) -> str:
    """An entity type in words: `STATE_OR_PROVINCE` -> `state or province`."""
    return kind.replace("_", " ").lower()


def marker_names(types: Sequence[str] = ()) -> list[str]:
    """The markers, in the order in which they join the vocabulary."""
    plain = ["[HEAD]", "[/HEAD]", "[TAIL]", "[/TAIL]"]
    return plain + [f"[{role.upper()}:{kind}]" for role in ROLES for kind in types]


def split_around(sample: Sample) -> list[str]:
    """The five pieces of a text: before, first entity, between, second entity, after.

    White space before an entity moves into its piece: byte-level vocabularies know most words with
    a space in front only.
    """
    text = sample.text
    first, second = sorted((sample.head, sample.tail), key=lambda entity: entity.start)
    pieces, position = [], 0
    for entity in (first, second):
        context = text[position : entity.start]
        bare = context.rstrip()
        pieces += [bare, context[len(bare) :] + text[entity.start : entity.end]]
        position = entity.end
    return [*pieces, text[position:]]


def keep_nearest(length: int, spans: Sequence[tuple[int, int]], budget: int) -> list[int]:
    """Which tokens stay when a text is too long: windows around both entities.

    Markers stay first, then the entities' own tokens (both from their starts), then the context by
    its distance from the nearer entity. What stays keeps its order.

        >>> keep_nearest(12, [(1, 4), (8, 11)], 8)      # markers at 1, 3, 8 and 10
        [0, 1, 2, 3, 4, 8, 9, 10]

    Args:
        length: number of tokens, T.
        spans: start and end (exclusive) of each entity, its two markers included.
        budget: how many tokens may stay.

    Returns:
        Indices of the tokens that stay, ascending.
    """
    if length <= budget:
        return list(range(length))

    def rank(index: int) -> tuple[int, int, int]:
        for start, end in spans:
            if index in (start, end - 1):
                return (0, 0, index)
            if start < index < end:
                return (1, index - start, index)
        distance = min(start - index if index < start else index - end + 1 for start, end in spans)
        return (2, distance, index)

    return sorted(sorted(range(length), key=rank)[:budget])


def special_ends(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and after a single text, such as `[CLS]` and `[SEP]`."""
    empty = tokenizer("")["input_ids"]
    start = [t for t in empty[:1] if t in (tokenizer.cls_token_id, tokenizer.bos_token_id)]
    return start, empty[len(start) :]
