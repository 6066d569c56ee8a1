"""WebAnno TSV 3, as INCEpTION exports it: a file, or a folder of `.tsv` files.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=webanno.custom.Entity|value
    #T_RL=webanno.custom.Relation|label|BT_webanno.custom.Entity

    #Text=Kite Press was founded by Olu.
    1-1<TAB>0-4<TAB>Kite<TAB>ORG[1]<TAB>_<TAB>_
    1-2<TAB>5-10<TAB>Press<TAB>ORG[1]<TAB>_<TAB>_
    1-6<TAB>26-29<TAB>Olu<TAB>PER<TAB>founded_by<TAB>1-1[1_0]

The label of a relation is its layer's only feature, or `label` or `value` of several; the column
`relation` names another one, and leaves out layers without it. Relations of a layer without
features are labelled by the layer's name. The column `type` is that of the entities.

Of a document that several people annotated, the curated file counts; without one, it is refused.

A relation stands at its target, the tail, and names the first token of its source, the head;
numbers tell stacked annotations and those of several tokens apart. Offsets count UTF-16 units.
Chains are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, read_lines
from relgen.data.corpora.documents import Document, Link, Related, known_columns, samples
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

    @property
    def title(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def related(self) -> str:
        """Return the layer whose entities a relation relates."""
        return self.features[-1].removeprefix("BT_")

    @property
    def named(self) -> list[str]:
        """Return the features that may name a type or relation; others refer to layers."""
        features = self.features[:-1] if self.kind == "RL" else self.features
        return [each for each in features if each.isidentifier() and each not in _ADDITIONAL]

    def feature(self, chosen: str | None) -> str | None:
        """Return the feature to take, if it is clear which."""
        if chosen is not None:
            return chosen if chosen in self.named else None
        usual = [each for each in self.named if each in ("value", "label")] or self.named
        return usual[0] if len(usual) == 1 else None


@dataclass
class _File:
    """The part of a file that has been read."""

    checks: RecordChecks
    columns: Mapping[str, str]
    layers: list[_Layer] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)  # of the text
    size: int = 0  # of the text, in characters
    units: int = 0  # and in UTF-16 units
    sentence: str = ""
    continued: bool = False  # whether more lines of the sentence may follow
    base: int | None = None  # where the sentence begins, in units
    sentences: list[tuple[int, int]] = field(default_factory=list)
    entities: dict[_Key, Entity] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    related: list[Related] = field(default_factory=list)

    def add_layer(self, line: str) -> None:
        """Add a layer. Raise InputError if it is not clear which of its features is the label."""
        name, *features = line[6:].split("|")
        last = self.layers[-1] if self.layers else None
        first = last.first + max(1, len(last.features)) if last else 3
        layer = _Layer(line[3:5], name, features, first)
        self.layers.append(layer)
        if layer.kind == "RL" and not features:
            problem = "a layer of relations that does not say between what"
            raise InputError(problem, path=self.checks.path, value=line, remedy=_REMEDY)
        unclear = len(layer.named) > 1 and layer.feature(None) is None
        if layer.kind == "RL" and unclear and "relation" not in self.columns:
            remedy = f"choose one: --columns relation={layer.named[0]}"
            raise InputError(
                "which of these features of the layer is the label?",
                path=self.checks.path,
                field=layer.title,
                value=layer.named,
                remedy=remedy,
            )

    def add(self, line: str, number: int) -> None:
        """Add a line of a sentence."""
        before = f"{self.sentence}\n" if self.continued else ""
        self.continued = line.startswith("#Text=")
        if self.continued:
            self.sentence, self.base = before + _plain(line[6:]), None
        elif line and not line.startswith("#"):
            cells = line.split("\t")
            width = max(
                (each.first + max(1, len(each.features)) for each in self.layers), default=3
            )
            if len(cells) < width or not re.fullmatch(r"\d+-\d+", cells[1]):
                problem = f"must have {width} columns: a number, offsets such as 0-4, a token, …"
                raise InputError(problem, value=line, remedy=_REMEDY)
            span = self._span(*map(int, cells[1].split("-")))
            related = {layer.related for layer in self.layers if layer.kind == "RL"}
            for layer in self.layers:
                if layer.kind == "RL":
                    self._add_links(layer, cells, number)
                elif layer.name in related:
                    self._add_entities(layer, cells, number, span)

    def _add_entities(
        self, layer: _Layer, cells: list[str], number: int, span: tuple[int, int]
    ) -> None:
        feature = layer.feature(self.columns.get("type"))
        column = layer.first + (layer.features.index(feature) if feature else 0)
        for value in _stacked(cells[column]):
            if value == "_":
                continue
            name, stack = _parsed(value)
            key = (layer.name, stack or cells[0])
            if feature is None and layer.named:
                name = ""
                if key not in self.entities:
                    features = ", ".join(layer.named)
                    what = f"have no type, which {features} of {layer.title} may be"
                    self.checks.note(f"{what} (--columns type=…)", number, "mention")
            first = self.entities[key].start if key in self.entities else span[0]
            self.entities[key] = Entity(first, span[1], name or None)

    def _add_links(self, layer: _Layer, cells: list[str], number: int) -> None:
        sources = _stacked(cells[layer.first + len(layer.features) - 1])
        if sources == ["_"]:
            return
        chosen, names = self.columns.get("relation"), ", ".join(layer.named)
        feature = layer.feature(chosen)
        what = ""
        if chosen is not None and feature is None:
            what = f"are of the layer {layer.title} ({names or 'no features'}): left out"
        elif feature is None:
            what = f"are of the layer {layer.title}, whose name is the label: it has no features"
        elif chosen is None and len(layer.named) > 1:
            what = f"have the features {names}, of which {feature} is the label (--columns "
            what += "relation=… names another)"
        labels = [layer.title] * len(sources)
        if feature is not None:
            labels = _stacked(cells[layer.first + layer.features.index(feature)])
        for value, source in zip(labels, sources, strict=False):
            if source != "_":
                if what:
                    self.checks.note(what, number, "relation")
                label = None if chosen and feature is None else _parsed(value)[0]
                self._add_link(layer, label, source, cells[0], number)

    def _add_link(
        self, layer: _Layer, label: str | None, source: str, unit: str, number: int
    ) -> None:
        match = _SOURCE.fullmatch(source)
        if match is None:
            problem = "the source of a relation must be like 1-1 or 1-1[1_2]"
            raise InputError(problem, value=source, remedy=_REMEDY)
        place, head, tail = match.groups()
        first = (layer.related, place if head in (None, "0") else head)
        second = (layer.related, unit if tail in (None, "0") else tail)
        self.related.append(([first], [second]))
        if label is not None:
            self.links.append(Link(first, second, label, number))

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Return a token's span in characters of the text, to which a new sentence is added."""
        if self.base is None:
            self.base = start
            gap = " " * (start - self.units)
            first = self.size + len(gap)
            self.parts += [gap, self.sentence]
            self.size = first + len(self.sentence)
            self.units = start + len(self.sentence.encode("utf-16-le")) // 2
            self.sentences.append((first, self.size))
        span = in_characters(self.sentence, "utf16", start - self.base, end - self.base)
        if span is None:
            raise InputError("the offsets are outside the sentence", value=[start, end])
        first = self.sentences[-1][0]
        return first + span[0], first + span[1]


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file or folder, with ids such as `doc-1` by relation."""
    checks.remedy = _REMEDY
    columns, layers = known_columns(options, "relation", "type"), dict[str, None]()
    texts: dict[tuple[Path, str], Path] = {}
    for place in _exported(path, checks) if path.is_dir() else [path]:
        checks.path = place
        content = _File(checks, columns)
        for number, raw in enumerate(read_lines(place), start=1):
            line = raw.rstrip("\r\n")
            if number == 1 and not line.startswith("#FORMAT=WebAnno TSV 3"):
                raise InputError("not WebAnno TSV 3", path=place, value=line, remedy=_REMEDY)
            if line.startswith(("#T_SP=", "#T_RL=", "#T_CH=")):
                content.add_layer(line)
            with checks.record(number):
                content.add(line, number)
        layers |= {
            f"{each.title} ({', '.join(each.named)})": None
            for each in content.layers
            if each.kind == "RL"
        }
        checks.remedy = f"relation layers and their features are: {', '.join(layers) or 'none'}"
        name = place.relative_to(path).with_suffix("").as_posix() if path.is_dir() else place.stem
        name = f"{options.split_name}-{name}" if options.split_name else name
        text = "".join(content.parts)
        if text and (other := texts.setdefault((place.parent, text), place)) is not place:
            problem = f"a document with several annotators: {other.name} has the same text"
            remedy = "curate it and give the folder curation, or leave one of these files there"
            raise InputError(problem, path=place, remedy=remedy)
        document = Document(
            name,
            place.name,
            text,
            {},
            content.links,
            content.sentences,
            dict[Any, Entity](content.entities),
            content.related,
        )
        yield from samples(document, checks, options)
    checks.path = path


def _exported(folder: Path, checks: RecordChecks) -> Iterator[Path]:
    """Yield the files of a folder; of a project, the curated ones of the documents that have any.

    A project is exported as `annotation/DOCUMENT/USER.tsv`, `curation/DOCUMENT/CURATION_USER.tsv`.
    """
    files = [each for each in sorted(folder.rglob("*.tsv")) if each.stem != "INITIAL_CAS"]
    curated = {each.parent.name for each in files if each.parent.parent.name == "curation"}
    for each in files:
        if each.parent.parent.name == "annotation" and each.parent.name in curated:
            what = "are of annotators of a curated document: left out"
            checks.note(what, each.relative_to(folder).as_posix(), "file")
        else:
            yield each


def _stacked(cell: str) -> list[str]:
    return re.split(r"(?<!\\)\|", cell)


def _parsed(value: str) -> tuple[str, str | None]:
    """Return the value of a feature, empty where it is not set, and its stack's number."""
    name, stack = _VALUE.fullmatch(value).groups()  # type: ignore[union-attr]
    return "" if name == "*" else _plain(name), stack


def _plain(text: str) -> str:
    """Return a text without the escapes of reserved characters."""
    return re.sub(
        r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text.replace("\f", "\n")
    )
