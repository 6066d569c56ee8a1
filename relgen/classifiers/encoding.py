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
from typing import Literal, cast

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from relgen.classifiers.portable import ROLES, Encoded, Layout, MarkerLayout
from relgen.common import InputError, InputLength, checked, text_hash
from relgen.data import Sample

# part of the cache key of tokenised tables: raise it when ids or positions change
ENCODING_VERSION = 1
Markers = Literal["special", "punctuation"]
# around an entity, and around its type behind the opening one
_PUNCTUATION = {"head": (" @", " *"), "tail": (" #", " ^")}


class Encoding(ABC):
    """Base class of encodings, which turn samples into token ids and know no weights.

    A subclass sets its `layout`. The `special` tokens are added to a fast tokenizer. `max_length`
    counts them. Raises InputError if `max_length` leaves no room for two entities.
    """

    layout: Layout

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
        spans = [(one.head.span, one.tail.span) for one in samples]
        texts = [
            text
            for sample, (head, tail) in zip(samples, spans, strict=True)
            for text in self.layout.texts(sample.text, head, tail)
        ]
        if not texts:
            return []
        # names of special tokens in the text are ordinary text
        ids = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        size = len(texts) // len(samples)
        return [
            self.layout.join(
                ids[size * row : size * (row + 1)],
                *spans[row],
                [entity.type or "" for entity in (sample.head, sample.tail)],
            )
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
        around = {
            role: {kind or "": self._surroundings(role, kind) for kind in (None, *self.types)}
            for role in ROLES
        }
        self.layout = MarkerLayout(self._start, self._end, self.max_length, around)

    def _settings(self) -> object:
        return self.types, self.markers

    def marker_texts(self, role: str, kind: str | None) -> list[str]:
        """Return the opening and the closing marker of an entity of a type."""
        if self.markers == "special":
            name = f"[{role.upper()}]" if kind is None else f"[{role.upper()}:{kind}]"
            return [name, f"[/{role.upper()}]"]
        outer, inner = _PUNCTUATION[role]
        typed = "" if kind is None else f"{inner} {kind.replace('_', ' ').lower()}{inner}"
        return [f"{outer}{typed}", outer]

    def _surroundings(self, role: str, kind: str | None) -> list[list[int]]:
        """Return the tokens before and after an entity of a type."""
        texts = self.marker_texts(role, kind)
        if self.markers == "special":
            return [[self.special_ids[name]] for name in texts]
        opening, closing = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        if self.tokenizer.unk_token_id in closing:
            raise InputError(
                f"this model's vocabulary lacks{texts[1]}",
                field="markers",
                value=self.markers,
                remedy="use special markers",
            )
        return [opening, closing]
