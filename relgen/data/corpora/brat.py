"""brat's standoff: a folder of `.txt` files, each with an `.ann` beside it, or one of these.

    T1<TAB>ORG 0 10<TAB>Kite Press         an entity; 0 5;16 23 has a gap, which becomes part of it
    R1<TAB>founded_by Arg1:T1 Arg2:T2      a relation, from the head (Arg1) to the tail (Arg2)

Offsets count characters of the text. Events (E) are counted and left out; a relation to one is to
its trigger. Attributes, notes and the like are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from relgen.common import InputError, read_lines, read_text
from relgen.data.corpora.documents import Document, Link, Mention, Related, samples
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

_ENTITY = re.compile(r"(T\S+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_RELATION = re.compile(r"R\S+\t(\S+) \S+?:(\S+) \S+?:(\S+)\s*")


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a folder (or of one `.ann`), with ids such as `doc-1` by relation."""
    checks.remedy = "give the folder with .txt and .ann files; in these, a line R1 is a relation"
    files = [path.with_suffix(".ann")] if not path.is_dir() else sorted(path.rglob("*.ann"))
    for file in files:
        checks.path = file
        name = file.relative_to(path if path.is_dir() else path.parent).with_suffix("").as_posix()
        if options.split_name:
            name = f"{options.split_name}-{name}"
        text = read_text(file.with_suffix(".txt"))
        mentions, links, events = dict[str, Mention](), list[Link](), dict[str, list[str]]()
        for number, line in enumerate(read_lines(file), start=1):
            with checks.record(number):
                _parse(line.rstrip("\r\n"), number, mentions, links, events, checks)
        links = [_of_triggers(link, events, checks) for link in links]
        document = Document(name, file.name, text, mentions, links, related=_related(events))
        yield from samples(document, checks, options)
    checks.path = path


def _parse(
    line: str,
    number: int,
    mentions: dict[str, Mention],
    links: list[Link],
    events: dict[str, list[str]],
    checks: RecordChecks,
) -> None:
    """Add what a line says to the mentions, links and events."""
    if line.startswith("T"):
        match = _ENTITY.fullmatch(line)
        if match is None:
            raise InputError("must be T1<TAB>TYPE 0 10<TAB>text", value=line)
        key, kind, spans, text = match.groups()
        places = [int(place) for place in re.findall(r"\d+", spans)]
        if ";" in spans:
            checks.note("have gaps, which became part of them", number, "mention")
            text = None
        mentions[key] = Mention(min(places), max(places), kind, text)
    elif line.startswith("R"):
        match = _RELATION.fullmatch(line)
        if match is None:
            raise InputError("must be R1<TAB>relation Arg1:T1 Arg2:T2", value=line)
        links.append(Link(match[2], match[3], match[1], number))
    elif line.startswith("E"):
        checks.note("were left out: a sample relates two entities", number, "event")
        events[line.split()[0]] = re.findall(r":(\S+)", line) or [line]
    elif line.startswith("*"):  # mentions of the same
        events[line] = line.split()[2:]


def _of_triggers(link: Link, events: Mapping[str, Sequence[str]], checks: RecordChecks) -> Link:
    """Return a relation with an event's trigger in place of the event."""
    head, tail = (events.get(str(key), [key])[0] for key in (link.head, link.tail))
    if (head, tail) != (link.head, link.tail):
        checks.note("relate events, of which the triggers were taken", link.place or 0, "relation")
    return link._replace(head=head, tail=tail)


def _related(events: Mapping[str, Sequence[str]]) -> list[Related]:
    """Return what takes part in the same event; an event there stands for its trigger."""
    parts = ([events.get(key, [key])[0] for key in keys] for keys in events.values())
    return [(keys, keys) for keys in parts]
