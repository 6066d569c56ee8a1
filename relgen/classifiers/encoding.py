"""Encodes samples as token ids: the base class, and entity markers.

    The [HEAD] storm [/HEAD] brought a [TAIL] power cut [/TAIL] .
    The @ storm @ brought a # power cut # .

Ids are joined piece by piece, so that the markers' positions are known without a search: neither
adjacent entities nor a text that contains `[HEAD]` can confuse them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from relgen.common import InputError, InputLength, checked, text_hash
from relgen.data import Sample

# part of the cache key of tokenised tables: raise it when ids or positions change
ENCODING_VERSION = 1
ROLES = ("head", "tail")
Markers = Literal["special", "punctuation"]
# around an entity, and around its type behind the opening one
_PUNCTUATION = {"head": (" @", " *"), "tail": (" #", " ^")}


class Encoded(NamedTuple):
    """A sample as token ids.

    `positions` are indices into `input_ids` whose states the classifier reads; every sample of an
    encoding has the same number P of them. `truncated` is True if the text was cut to fit.
    """

    input_ids: list[int]
    positions: list[int]
    truncated: bool


class Encoding(ABC):
    """Base class of encodings, which turn samples into token ids and know no weights.

    The `special` tokens are added to a fast tokenizer. `max_length` counts them. Raises InputError
    if `max_length` leaves no room for two entities.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, special: Sequence[str], max_length: int
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = checked(InputLength, max_length, "max_length")
        tokenizer.add_tokens(
            [AddedToken(name, special=True, normalized=False) for name in special],
            special_tokens=True,
        )
        ids = cast(list[int], tokenizer.convert_tokens_to_ids(list(special)))
        self.special_ids = dict(zip(special, ids, strict=True))
        empty = tokenizer("")["input_ids"]
        begin = (tokenizer.cls_token_id, tokenizer.bos_token_id)
        self._start = [token for token in empty[:1] if token in begin]
        self._end = empty[len(self._start) :]
        self.pad_id = int(tokenizer.pad_token_id or 0)

    @property
    def key(self) -> str:
        """Return a hash of everything that decides how samples are encoded, for the cache's key."""
        content = self.tokenizer.backend_tokenizer.to_str()
        settings = (type(self).__name__, ENCODING_VERSION, self._settings(), self.max_length)
        return text_hash(repr((settings, content)))[:16]

    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Encode samples, in order. Texts that do not fit are cut around both entities."""
        texts = [text for sample in samples for text in self._texts(sample)]
        if not texts:
            return []
        # names of special tokens in the text are ordinary text
        ids = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        size = len(texts) // len(samples)
        return [
            self._join(sample, ids[size * row : size * (row + 1)])
            for row, sample in enumerate(samples)
        ]

    def decode(self, input_ids: Sequence[int]) -> str:
        """Return token ids as text, with special tokens but without padding."""
        kept = [token for token in input_ids if token != self.pad_id]
        return str(self.tokenizer.decode(kept))

    def save(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(str(folder))

    @abstractmethod
    def _settings(self) -> object:
        """Return the settings besides tokenizer and length that change the ids."""

    @abstractmethod
    def _texts(self, sample: Sample) -> list[str]:
        """Return the texts of a sample to tokenise separately; their number is fixed."""

    @abstractmethod
    def _join(self, sample: Sample, ids: Sequence[list[int]]) -> Encoded:
        """Join the token ids of a sample's texts."""


class MarkerEncoding(Encoding):
    """Encodes samples with entity markers; `positions` are the opening ones of head and tail.

    Args:
        tokenizer: a fast tokenizer; the markers are added to it.
        types: entity types that markers name, such as `[HEAD:PERSON]`. Entities of other types, or
            of none, get the plain marker.
        markers: `special` tokens, which are added to the vocabulary; or `punctuation`, with types
            in words: `@ * person * Ann @`, `# ^ city ^ Bern #`. These are "typed entity marker" and
            "typed entity marker (punct)" of Zhou and Chen (2022, arXiv 2102.01373, table 1), whose
            closing special tokens name the type as well.
        max_length: longest input in tokens, markers and special tokens included.

    Raises:
        InputError: `max_length` is too small, or the vocabulary lacks the punctuation.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        types: Sequence[str] = (),
        markers: Markers = "special",
        max_length: int = 192,
    ) -> None:
        self.types = tuple(sorted(set(types)))
        self.markers: Markers = markers
        names = ["[HEAD]", "[/HEAD]", "[TAIL]", "[/TAIL]"]
        names += [f"[{role.upper()}:{kind}]" for role in ROLES for kind in self.types]
        super().__init__(tokenizer, names if markers == "special" else [], max_length)
        self._around = {
            (role, kind): self._surroundings(role, kind)
            for role in ROLES
            for kind in (None, *self.types)
        }

    def _settings(self) -> object:
        return self.types, self.markers

    def _texts(self, sample: Sample) -> list[str]:
        return split_around(sample)

    def _join(self, sample: Sample, ids: Sequence[list[int]]) -> Encoded:
        tokens, starts, spans = list(ids[0]), dict[str, int](), dict[str, tuple[int, int]]()
        for (_, role, begins), following in zip(sample.boundaries(), ids[1:], strict=True):
            entity = sample.head if role == "head" else sample.tail
            kind = entity.type if entity.type in self.types else None
            starts.setdefault(role, len(tokens))
            tokens += self._around[role, kind][0 if begins else 1]
            spans[role] = (starts[role], len(tokens))
            tokens += following
        budget = self.max_length - len(self._start) - len(self._end)
        kept = keep_nearest(len(tokens), [spans["head"], spans["tail"]], budget)
        place = {index: len(self._start) + row for row, index in enumerate(kept)}
        return Encoded(
            self._start + [tokens[index] for index in kept] + self._end,
            [place[spans[role][0]] for role in ROLES],
            len(kept) < len(tokens),
        )

    def _surroundings(self, role: str, kind: str | None) -> tuple[list[int], list[int]]:
        """Return the tokens before and after an entity of a type."""
        if self.markers == "special":
            name = f"[{role.upper()}]" if kind is None else f"[{role.upper()}:{kind}]"
            return [self.special_ids[name]], [self.special_ids[f"[/{role.upper()}]"]]
        outer, inner = _PUNCTUATION[role]
        typed = "" if kind is None else f"{inner} {kind.replace('_', ' ').lower()}{inner}"
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


def split_around(sample: Sample) -> list[str]:
    """Split a text into five pieces at the boundaries of its entities.

    They are: before, first entity, between, second entity, after, unless the entities overlap.
    White space before an entity moves into its piece, since byte-level vocabularies know most words
    only with a leading space.
    """
    pieces, position, space = list[str](), 0, ""
    for place, _, begins in sample.boundaries():
        piece = space + sample.text[position:place]
        bare = piece.rstrip() if begins else piece
        pieces.append(bare)
        position, space = place, piece[len(bare) :]
    return [*pieces, space + sample.text[position:]]


def keep_nearest(length: int, spans: Sequence[tuple[int, int]], budget: int) -> list[int]:
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
