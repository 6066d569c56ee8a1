"""`relgen generate`: a language model writes samples from labelled ones."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from relgen.common import InputError, find_config, value_type
from relgen.generation import GenerationSettings, ServerSettings, read_settings

_NESTED: dict[str, tuple[type, str]] = {
    "server": (ServerSettings, "settings of a server (backend openai)"),
}
_NULL = ("null", "none")


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "generate",
        help="let a language model write samples",
        description="Lets a language model write samples, one by one (obo) or all at once (aao), "
        "under a grammar. Interrupted or killed, the same command goes on where it stopped. "
        "Options win over the file that -c names; an option's name is its key in that file.",
    )
    parser.add_argument("-c", "--config", help="YAML file, or preset such as smollm2_obo")
    parser.add_argument("--train", required=True, help="samples.jsonl with labelled samples")
    parser.add_argument("--schema", required=True, help="schema.yaml, or a shipped one by name")
    parser.add_argument("--out", required=True, help="generated.jsonl to write")
    parser.add_argument("--forbid", help="samples.jsonl, such as the test set: never write these")
    parser.add_argument(
        "--force", action="store_true", help="replace the output of other settings or inputs"
    )
    parser.add_argument(
        "--merge",
        type=_reader(int, False),
        metavar="N",
        help="write nothing new: join the N parts that --shard 1/N to N/N have written",
    )
    _add_options(parser.add_argument_group("settings"), GenerationSettings)
    for name, (kind, title) in _NESTED.items():
        _add_options(parser.add_argument_group(title), kind, f"{name}_")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Generates, and says what came of it."""
    given = _given(args, GenerationSettings)
    for name, (kind, _) in _NESTED.items():
        if nested := _given(args, kind, f"{name}_"):
            given[name] = nested
    path = None if args.config is None else find_config(args.config, "generate")
    settings = read_settings(path, **given)

    from relgen.generation import generate, merge_shards

    inputs = {"train": args.train, "schema": args.schema, "forbid": args.forbid}
    if args.merge is not None:
        if args.merge < 1 or settings.shard is not None:
            raise InputError(
                "joins all parts: it takes their number, and no --shard",
                field="merge",
                value=args.merge,
            )
        summary = merge_shards(settings, args.merge, out=args.out, force=args.force, **inputs)
        _report(summary, settings, args.out)
        return
    report = generate(settings, out=args.out, force=args.force, **inputs)
    if report.already_finished:
        print(f"finished already, with the same settings and inputs -> {report.output}")
        return
    _report(report.summary, settings, report.output)


def _report(summary: dict[str, Any], settings: GenerationSettings, out: str | Path) -> None:
    for line in shortfalls(summary, settings):
        print(line, file=sys.stderr)
    print(f"{describe(summary)} -> {out}")


def describe(summary: dict[str, Any]) -> str:
    """One line: accepted, rejected by reason, tokens and time."""
    wanted = sum(entry["wanted"] for entry in summary["relations"].values())
    reasons = sorted(summary["rejected"].items(), key=lambda pair: (-pair[1], pair[0]))
    rejected = ", ".join(f"{count} {reason}" for reason, count in reasons) or "none"
    speed = summary["tokens"] / max(summary["seconds"], 1e-9)
    said = (
        f"{summary['accepted']} of {wanted} samples; rejected: {rejected}; "
        f"{summary['tokens']} tokens in {summary['seconds']:.0f} s ({speed:.0f} a second)"
    )
    if usage := summary.get("usage"):
        cost = f", cost {usage['cost']:g}" if usage["cost"] else ""
        unusable = usage["unusable_answers"]
        answers = f"{usage['answers']} answers" + (f", {unusable} unusable" if unusable else "")
        said += f"; {answers}, {usage['prompt_tokens']} tokens read{cost}"
    return said


def shortfalls(summary: dict[str, Any], settings: GenerationSettings) -> list[str]:
    """One line for each relation that stayed below its number."""
    lines = []
    for name, entry in summary["relations"].items():
        if entry["accepted"] >= entry["wanted"]:
            continue
        why = "it has no labelled sample"
        if entry["drafts"]:
            reason = max(entry["rejected"].items(), key=lambda pair: pair[1], default=("none", 0))
            why = f"{entry['drafts']} drafts, mostly rejected as {reason[0]}"
            if settings.token_budget is not None and entry["tokens"] >= settings.token_budget:
                why = f"the token budget of {settings.token_budget} is used up"
        lines.append(f"warning: {name}: {entry['accepted']} of {entry['wanted']} samples ({why})")
    return lines


def _given(args: argparse.Namespace, kind: type, prefix: str = "") -> dict[str, Any]:
    """The settings that the command line names."""
    found = vars(args)
    names = [entry.name for entry in dataclasses.fields(kind)]
    return {name: found[f"{prefix}{name}"] for name in names if f"{prefix}{name}" in found}


def _add_options(group: Any, kind: type, prefix: str = "") -> None:
    """An option for each field; those that are mappings have a group of their own."""
    hints = get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        if not dataclasses.is_dataclass(value_type(hints[entry.name])[0]):
            _add_option(group, entry, hints[entry.name], prefix)


def _add_option(group: Any, entry: Any, hint: Any, prefix: str) -> None:
    kind, nullable = value_type(hint)
    default = "null" if entry.default is None else entry.default
    shared: dict[str, Any] = {
        "dest": f"{prefix}{entry.name}",
        "default": argparse.SUPPRESS,
        "help": f"{entry.metadata['help']} ({default})".replace("%", "%%"),
    }
    flag = f"--{prefix}{entry.name}".replace("_", "-")
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, **shared)
    elif get_origin(kind) is tuple:
        group.add_argument(flag, nargs="+", metavar="LABEL", **shared)
    else:
        group.add_argument(flag, type=_reader(kind, nullable), metavar=_shown(kind), **shared)


def _shown(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {int: "N", float: "X", str: "TEXT"}[kind]


def _reader(kind: Any, nullable: bool) -> Any:
    """Turns an option's text into the setting's value."""

    def read(text: str) -> Any:
        if nullable and text.lower() in _NULL:
            return None
        if get_origin(kind) is Literal or kind is str:
            return text
        try:
            return kind(text)
        except ValueError as error:
            name = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {name} (got {text!r})") from error

    return read
