"""Runs a review: opens the page, or exchanges tasks and results with a tool; writes the outcome."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from relgen.common import (
    InputError,
    check_outputs,
    counted,
    listening_socket,
    locked,
    recorded,
    refuse_unrecorded,
    statement,
)
from relgen.data import (
    UNLABELLED,
    RecordChecks,
    Relation,
    RelationSchema,
    Sample,
    checked_samples,
    load_schema,
    write_samples,
)
from relgen.review.exports import export_tasks
from relgen.review.options import ReviewOptions
from relgen.review.results import take_over
from relgen.review.session import Session

_COMMAND = "review"
_HOST = "127.0.0.1"


def review(options: ReviewOptions) -> None:
    """Open the page until SIGTERM or SIGINT, or export tasks, or take a tool's results over.

    Raises:
        InputError: the samples, the log or the results cannot be used, or another process reviews
            to the same file.
    """
    out = Path(options.out)
    log = out.with_suffix(".log.jsonl")
    schema, samples, guesses = read_reviewable(options.samples, options.schema)
    inputs = [options.samples, options.schema, options.results]
    if options.export is not None:
        if options.results is not None:
            remedy = "export first, and take the results over later"
            raise InputError("not with --export", field="--results", remedy=remedy)
        export_tasks(options.export, samples, schema, out, inputs, force=options.force)
        return
    check_outputs([out, log], inputs)
    resumed = log.exists()
    with locked(out, beside=True):
        _refuse_foreign(out, log)
        session = Session(samples, schema, log, votes=options.votes, guesses=guesses)
        if number := session.elsewhere:
            of = f"are not of samples in {options.samples}, and left out here"
            print(f"warning: {log}: {statement(number, 'decision', of)}", file=sys.stderr)
        if options.results is not None:
            try:
                take_over(options.results, session)
            except InputError:
                if not resumed:
                    log.unlink()
                raise
        else:
            _serve(session, options.port)
        begun = any(session.decisions.values()) or bool(session.added)
        if begun or out.exists():
            _refuse_foreign(out, log)
            with recorded([out], _COMMAND):
                if begun:
                    write_samples(out, session.results())
                else:  # samples that nobody has looked at must not pass for reviewed ones
                    out.unlink()
    if not begun:
        print(f"nothing is decided, and {out} not written; the same command goes on")
        return
    _summarise(session, out)


def _refuse_foreign(out: Path, log: Path) -> None:
    """Raise InputError if a file that is not a review's, as it was written, would be replaced."""
    try:
        refuse_unrecorded([out], _COMMAND)
    except InputError as error:
        remedy = f"move it: what was decided stays in {log}" if log.exists() else error.remedy
        raise InputError(error.problem, path=error.path, remedy=remedy) from None


def read_reviewable(
    path: str | Path, name: str | None
) -> tuple[RelationSchema, list[Sample], dict[str, dict[str, float]]]:
    """Return the schema of a review, its samples, and what `relgen suggest` guessed of them, by id.

    Without a name, the relations are those of the file. Raises InputError if the file cannot be
    used, or names no relation.
    """
    schema, guesses = None if name is None else load_schema(name), dict[str, dict[str, float]]()

    def noting(row: Any) -> Any:
        if isinstance(row, dict) and isinstance(row.get("guess"), str):
            read = {str(row.get("relation")): row.get("given_probability")}
            read |= {row["guess"]: row.get("probability")}
            known = {label: float(p) for label, p in read.items() if isinstance(p, int | float)}
            guesses[str(row.get("id"))] = known
        return row

    checks = RecordChecks(path)
    samples = list(checked_samples(checks, schema, labelled=False, rejected=True, amend=noting))
    for sample in samples:
        if sample.relation != UNLABELLED:
            try:
                sample.check_scores()
            except InputError as error:
                raise error.at(path=path, field=f"relation of {sample.id}") from error
    if schema is None:
        named = [label for s in samples for label in (*(s.scores or ()), *guesses.get(s.id, ()))]
        named += [sample.relation for sample in samples if sample.relation != UNLABELLED]
        found = tuple(Relation(label, "") for label in dict.fromkeys(named))
        if not found:
            problem, remedy = "the samples name no relation", "give the relations with --schema"
            raise InputError(problem, path=path, remedy=remedy)
        schema = RelationSchema(Path(path).stem, found)
    return schema, samples, guesses


def _serve(session: Session, port: int) -> None:
    """Serve the page until the process is told to stop."""
    import uvicorn

    from relgen.review.app import create_review_app

    config = uvicorn.Config(
        create_review_app(session), log_level="warning", access_log=False, server_header=False
    )
    with listening_socket(_HOST, port) as listening:
        place = f"http://{_HOST}:{listening.getsockname()[1]}"
        print(f"review at {place}; every decision is saved as it is made (Ctrl-C ends)", flush=True)
        with suppress(KeyboardInterrupt):  # uvicorn repeats the signal once all is answered
            uvicorn.Server(config).run(sockets=[listening])


def _summarise(session: Session, out: Path) -> None:
    progress, samples = session.progress(), session.results()
    kinds = ", ".join(f"{number} {kind}" for kind, number in progress["kinds"].items())
    people = ", ".join(f"{name} {number}" for name, number in progress["reviewers"].items())
    print(
        f"{progress['done']} of {counted(progress['total'], 'sentence')} reviewed"
        + (f" in {progress['seconds'] / 60:.1f} minutes" if progress["seconds"] else "")
        + (f": {kinds} (by {people})" if kinds else "")
    )
    if progress["written"]:
        print(f"{progress['written']} written")
    if progress["several"]:
        print(f"{progress['agreed']} of {progress['several']} that several decided on agree")
    said = {
        "not reviewed": sum(one.review is None for one in samples),
        "rejected": sum(one.rejected for one in samples),
    }
    which = ", ".join(f"{number} {what}" for what, number in said.items() if number)
    print(f"{counted(len(samples), 'sample')}{f' ({which})' if which else ''} -> {out}")
