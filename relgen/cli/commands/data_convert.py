"""`relgen data convert`: converts a corpus to samples.jsonl, with patched labels if asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from relgen.common import InputError, check_outputs, counted, recorded, tracked
from relgen.data import (
    UNLABELLED,
    PairLabels,
    RecordChecks,
    RelationSchema,
    Sample,
    SchemaFit,
    clean_label,
    load_schema,
    write_samples,
)
from relgen.data import ConvertOptions as Options
from relgen.data.corpora import (
    COLUMNS,
    DOCUMENTS,
    TABLES,
    DoubtfulOffsets,
    LabelPatch,
    ReadOptions,
    find_corpus,
    read_corpus,
    unusual_tacred_size,
)

_COMMAND = "data convert"


def run(options: Options) -> None:
    """Convert the corpus; only formats that are one JSON document are held in memory."""
    source = find_corpus(options.input)
    check_outputs([options.out], [source, options.labels, options.schema])
    _check_format(options)
    place = options.input if options.format == "hub" else source
    checks, counts = RecordChecks(place, skip_bad=options.skip_bad), Counter[str]()
    schema = None if options.schema is None else load_schema(options.schema)
    fit = None if schema is None else SchemaFit(schema)
    negative = options.negative or (schema.negative if schema else None)
    renamed = _renamed(options)
    patch, unused = _patch(options, renamed), set(renamed)
    doubtful, labels = DoubtfulOffsets(), PairLabels(negative=negative)
    seen, once = set[int](), options.format in (*DOCUMENTS, *TABLES)
    tacred = options.format == "tacred"

    def converted(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            doubtful.look_at(sample, confirmed=checks.confirmed)
            if sample.head.span == sample.tail.span:
                checks.note("have the same head and tail", sample.id)
            unused.discard(sample.relation)
            sample = _with_renamed(sample, renamed)
            if (fitting := sample if fit is None else fit.labelled(sample)) is None:
                continue
            # a table's or an annotator's repetition; a corpus keeps its size
            if once and _again(fitting, seen):
                checks.note("repeat a pair and its relation: left out", fitting.id, "sample")
                continue
            labels.add(fitting)
            counts[fitting.relation] += 1
            yield fitting
        if options.offsets is None:
            doubtful.refuse(place)
        if fit is not None and not options.skip_bad:
            fit.refuse_unknown(options.input)

    samples = read_corpus(options.format, checks, _reading(options, schema, checks))
    patched: Iterable[Sample] = converted(samples if patch is None else patch.apply(samples))
    if sys.stderr.isatty():
        patched = tracked(patched, "converting")
    with recorded([options.out], _COMMAND):
        total = write_samples(options.out, patched, replace=options.force)
    if patch is not None:
        _print_patched(patch, tacred=tacred)
    for label in sorted(unused):
        _warn(f"no sample has the label '{label}', which --rename names")
    if tacred:
        read = checks.read + checks.skipped
        # malformed records may or may not be in the patch
        kept = total if patch and patch.drop_others and not checks.skipped else None
        if odd := unusual_tacred_size(options.input, options.split_name, read=read, kept=kept):
            _warn(odd)
    for warning in [str(doubtful)] * bool(doubtful.count) + labels.warnings():
        _warn(warning)
    print_skipped(checks, fit)
    _print_total(counts, options.out)


def _print_total(counts: Counter[str], out: str) -> None:
    bare = counts.pop(UNLABELLED, 0)
    said = f"{counted(counts.total(), 'sample')} of {counted(len(counts), 'relation')}"
    without = f"{counted(bare, 'sample')} without a relation"
    both = without if not counts else f"{said}, {without}" if bare else said
    print(f"{both} -> {out}")


def _again(sample: Sample, seen: set[int]) -> bool:
    """Return whether the pair of a sentence was seen with this relation; remember it."""
    number, before = hash((sample.pair, sample.relation, sample.group)), len(seen)
    seen.add(number)
    return len(seen) == before


def _with_renamed(sample: Sample, renamed: Mapping[str, str]) -> Sample:
    """Return a sample with its probabilities by new labels; merged ones may become the answer."""
    if sample.relation in renamed:
        sample = replace(sample, relation=renamed[sample.relation])
    if not sample.scores or not renamed:
        return sample
    scores: dict[str, float] = {}
    for label, probability in sample.scores.items():
        name = renamed.get(label, label)
        scores[name] = scores.get(name, 0.0) + probability
    relation = sample.relation if sample.review else max(scores, key=scores.__getitem__)
    return replace(sample, relation=relation, scores=scores)


def _check_format(options: Options) -> None:
    """Raise InputError for options of other formats."""
    for name, value, forms in (
        ("columns", options.columns, COLUMNS),
        ("negative", options.negative, DOCUMENTS),
        ("sheet", options.sheet, ("xlsx",)),
        ("entities", options.entities, ("unmarked",)),
        ("types", options.types, ("unmarked",)),
    ):
        if value and options.format not in forms:
            raise InputError(
                f"not for --format {options.format}",
                field=f"--{name}",
                value=value,
                remedy=f"use it with {', '.join(forms)}",
            )


def _reading(options: Options, schema: RelationSchema | None, checks: RecordChecks) -> ReadOptions:
    return ReadOptions(
        split_name=options.split_name,
        ambiguous=options.ambiguous,
        columns=options.columns,
        offsets=options.offsets or "characters",
        negative=options.negative,
        sheet=options.sheet,
        candidates=_candidates(options, schema, checks),
    )


def _candidates(
    options: Options, schema: RelationSchema | None, checks: RecordChecks
) -> Callable[[str, str], Iterator[Sample]] | None:
    """Return what pairs the entities of a raw text, if the options say what finds them.

    Entities of types that the schema does not name, which are in no pair, are noted.
    """
    if not options.entities:
        return None
    if schema is None:
        remedy = "give the schema whose relations the candidates may have"
        raise InputError("--entities needs it", field="--schema", remedy=remedy)
    from relgen.prediction import RawText, candidate_pairs, open_sources

    types = set(schema.types)
    find = open_sources(options.entities, schema.types, options.types)

    def candidates(name: str, text: str) -> Iterator[Sample]:
        entities = find([text])[0]
        for kind in sorted({each.type for each in entities if each.type} - types) if types else ():
            what = f"have entities of type {kind}, which the schema does not name"
            checks.note(f"{what} (rename it with --types {kind}=…)", name)
        for sample, _ in candidate_pairs(RawText(name, text), entities, schema):
            yield sample

    return candidates


def print_skipped(checks: RecordChecks, fit: SchemaFit | None = None) -> None:
    """Print warnings about doubtful samples, notes, and how many records were left out."""
    for doubt in [*checks.doubts, *(fit.doubts() if fit else ())]:
        _warn(doubt)
    for note in [*checks.noted(), *(fit.notes() if fit else ())]:
        print(note)
    if skipped := checks.skipped:
        malformed = counted(skipped, "malformed record")
        print(f"{malformed} left out, the first: {checks.problems[0]}")


def _patch(options: Options, renamed: Collection[str]) -> LabelPatch | None:
    """Return the patch of --labels; an option or the patch decides about all other samples."""
    drop = options.drop_unpatched
    if options.labels is None:
        if drop is not None:
            remedy = "give the patch with --labels PATCH.json"
            raise InputError(
                "nothing is patched", field="--drop-unpatched", value=drop, remedy=remedy
            )
        return None
    patch = LabelPatch(options.labels, drop_others=bool(drop))
    if options.format == "tacred":
        patch.drop_others = patch.is_retacreds if drop is None else drop
        patch.check_labels(load_schema("retacred" if patch.is_retacreds else "tacred"), renamed)
    return patch


def _print_patched(patch: LabelPatch, *, tacred: bool) -> None:
    size, missing = len(patch.labels), len(patch.missing)
    print(f"{size - missing} of the patch's {counted(size, 'label')} applied")
    others = f"{counted(patch.others, 'sample')} that the patch does not name"
    if patch.others and patch.drop_others:
        print(f"{others} left out (--no-drop-unpatched keeps them)")
    elif patch.others:
        # an excerpt of Re-TACRED's patch may lack the labels that identify it
        tacrev, retacred = (", as with TACREV", ", as Re-TACRED does") if tacred else ("", "")
        kept = "keep their labels" if patch.others > 1 else "keeps its label"
        print(f"{others} {kept}{tacrev} (--drop-unpatched leaves them out{retacred})")
    if missing:
        _warn(
            f"{patch.path}: {counted(missing, 'id')} of the patch missing in the corpus, the first "
            f"'{next(iter(patch.missing))}': a partial copy, or the patch of another split"
        )


def _warn(what: str) -> None:
    print(f"warning: {what}", file=sys.stderr)


def _renamed(options: Options) -> dict[str, str]:
    pairs = [text.partition("=") for text in options.rename]
    for text, (old, _, new) in zip(options.rename, pairs, strict=True):
        if not old.strip() or not new.strip():
            raise InputError("must be OLD=NEW", field="--rename", value=text)
    return {clean_label(old.strip(), "--rename"): new.strip() for old, _, new in pairs}
