"""WebAnno TSV 3, as INCEpTION exports it: a file, or a folder of `.tsv` files.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=webanno.custom.Entity|value
    #T_RL=webanno.custom.Relation|label|BT_webanno.custom.Entity

    #Text=Kite Press was founded by Olu.
    1-1<TAB>0-4<TAB>Kite<TAB>ORG[1]<TAB>_<TAB>_
    1-2<TAB>5-10<TAB>Press<TAB>ORG[1]<TAB>_<TAB>_
    1-6<TAB>26-29<TAB>Olu<TAB>PER<TAB>founded_by<TAB>1-1[1_0]

A relation stands at its target, the tail, and names the first token of its source, the head;
numbers tell stacked annotations and those of several tokens apart. Offsets count UTF-16 units.
Chains are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from relgen.common import InputError, read_lines
from relgen.data.corpora.documents import Document, Link, samples
from relgen.data.corpora.reading import ReadOptions
from relgen.data.corpora.units import in_characters
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks

_REMEDY = "export the document as WebAnno TSV v3.3"
_VALUE = re.compile(r"(.*?)(?:\[(\d+)\])?", re.DOTALL)
_SOURCE = re.compile(r"(\d+-\d+(?:\.\d+)?)(?:\[(\d+)_(\d+)\])?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\n"}
# features beside the one that names the type or the relation
_ADDITIONAL = ("identifier", "flavor")
_Key = tuple[str, str]


class _Layer(NamedTuple):
    """A layer of entities (SP) or relations (RL), its features, and their columns."""

    kind: str
    name: str
    features: list[str]
    first: int

    def values(self, cells: list[str]) -> list[str]:
        """Return the type or label of each stacked annotation of a row."""
        named = [f for f in self.features if not f.startswith("BT_") and f not in _ADDITIONAL]
        best = next((f for f in named if f in ("value", "label")), named[0] if named else None)
        return _stacked(cells[self.first + (self.features.index(best) if best else 0)])


@dataclass
class _File:
    """The part of a file that has been read."""

    layers: list[_Layer] = field(default_factory=list)
    text: str = ""
    units: int = 0  # UTF-16 units of the text
    sentence: str = ""
    base: int | None = None  # where the sentence begins, in units
    sentences: list[tuple[int, int]] = field(default_factory=list)
    entities: dict[_Key, Entity] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    def add(self, line: str, number: int) -> None:
        """Add a line."""
        if line.startswith(("#T_SP=", "#T_RL=", "#T_CH=")):
            name, *features = line[6:].split("|")
            last = self.layers[-1] if self.layers else None
            first = last.first + max(1, len(last.features)) if last else 3
            self.layers.append(_Layer(line[3:5], name, features, first))
        elif line.startswith("#Text="):
            self.sentence, self.base = _plain(line[6:]), None
        elif line and not line.startswith("#"):
            cells = line.split("\t")
            width = max(
                (each.first + max(1, len(each.features)) for each in self.layers), default=3
            )
            if len(cells) < width or not re.fullmatch(r"\d+-\d+", cells[1]):
                problem = f"must have {width} columns: a number, offsets such as 0-4, a token, …"
                raise InputError(problem, value=line, remedy=_REMEDY)
            self._add_token(cells, number)

    def _add_token(self, cells: list[str], number: int) -> None:
        start, end = self._span(*map(int, cells[1].split("-")))
        for layer in self.layers:
            for value, source in zip(
                layer.values(cells), self._sources(layer, cells), strict=False
            ):
                if value == "_":
                    continue
                name, stack = _VALUE.fullmatch(value).groups()  # type: ignore[union-attr]
                label = "" if name == "*" else _plain(name)
                if layer.kind == "RL":
                    self._add_link(layer, label, source, cells[0], number)
                elif layer.kind == "SP":
                    key = (layer.name, stack or cells[0])
                    first = self.entities[key].start if key in self.entities else start
                    self.entities[key] = Entity(first, end, label or None)

    def _sources(self, layer: _Layer, cells: list[str]) -> list[str]:
        if layer.kind == "RL":
            return _stacked(cells[layer.first + len(layer.features) - 1])
        return [""] * (cells[layer.first].count("|") + 1)

    def _add_link(self, layer: _Layer, label: str, source: str, unit: str, number: int) -> None:
        match = _SOURCE.fullmatch(source)
        if match is None:
            problem = "the source of a relation must be like 1-1 or 1-1[1_2]"
            raise InputError(problem, value=source, remedy=_REMEDY)
        place, head, tail = match.groups()
        entities = layer.features[-1].removeprefix("BT_")
        ends = [(entities, place if head in (None, "0") else head)]
        ends.append((entities, unit if tail in (None, "0") else tail))
        self.links.append(Link(ends[0], ends[1], label, number))

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Return a token's span in characters of the text, to which a new sentence is added."""
        if self.base is None:
            self.base = start
            gap = " " * (start - self.units)
            first = len(self.text) + len(gap)
            self.text += gap + self.sentence
            self.units = start + len(self.sentence.encode("utf-16-le")) // 2
            self.sentences.append((first, first + len(self.sentence)))
        span = in_characters(self.sentence, "utf16", start - self.base, end - self.base)
        if span is None:
            raise InputError("the offsets are outside the sentence", value=[start, end])
        first = self.sentences[-1][0]
        return first + span[0], first + span[1]


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file or folder, with ids such as `doc-1` by relation."""
    checks.remedy = _REMEDY
    for place in sorted(path.rglob("*.tsv")) if path.is_dir() else [path]:
        checks.path, content = place, _File()
        for number, raw in enumerate(read_lines(place), start=1):
            line = raw.rstrip("\r\n")
            if number == 1 and not line.startswith("#FORMAT=WebAnno TSV 3"):
                raise InputError("not WebAnno TSV 3", path=place, value=line, remedy=_REMEDY)
            with checks.record(number):
                content.add(line, number)
        name = place.relative_to(path).with_suffix("").as_posix() if path.is_dir() else place.stem
        name = f"{options.split_name}-{name}" if options.split_name else name
        used = {key for link in content.links for key in (link.head, link.tail)}
        # with `negative`, the layers that relations relate
        layers = {key[0] for key in used if isinstance(key, tuple)}
        entities = {key: each for key, each in content.entities.items() if key[0] in layers}
        document = Document(
            name, place.name, content.text, {}, content.links, content.sentences, dict(entities)
        )
        yield from samples(document, checks, options)
    checks.path = path


def _stacked(cell: str) -> list[str]:
    return re.split(r"(?<!\\)\|", cell)


def _plain(text: str) -> str:
    """Return a text without the escapes of reserved characters."""
    return re.sub(
        r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text.replace("\f", "\n")
    )
