"""Generating lines of fields: the grammar in all its forms, and a run under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from relgen.data.samples import read_samples
from relgen.data.schema import load_schema
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.engines import Engine
from relgen.generation.grammar.fields import FieldsSpec
from relgen.generation.grammar.spec import GrammarSpec
from relgen.prompting.field_markup import render_fields
from relgen.prompting.prompts import PLAIN, Prompt
from tests.relgen.generation.conftest import Inputs
from tests.relgen.generation.grammar.test_llguidance import takes
from tests.relgen.generation.test_run import rows, run, settings

SPEC = FieldsSpec(relation="in/at(e1,e2)", head_types=("PERSON", "A/B"), max_context_words=3)
LINE = (
    "Relation: in/at(e1,e2). Context: Ann met Bob in Bern, 3.5 days ago. Head Entity: Ann. "
    "Head Type: A/B. Tail Entity: Bern. Tail Type: ENTITY."
)
SENTENCE = FieldsSpec(
    relation=SPEC.relation, head_types=SPEC.head_types, max_context_words=3, one_sentence=True
)


@pytest.mark.parametrize("spec", [SPEC, SENTENCE])
def test_takes_a_line(spec: GrammarSpec) -> None:
    assert takes(spec, LINE)


@pytest.mark.parametrize("spec", [SPEC, SENTENCE])
@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("in/at", "on"),
        LINE.replace("A/B", "PLACE"),
        LINE.replace("ENTITY", "PERSON"),
        LINE.replace(" Tail Entity: Bern.", ""),
        f"{LINE}\n{LINE}",
        "<head>Ann</head> is in <tail>Bern</tail>.",
    ],
)
def test_takes_nothing_else(spec: GrammarSpec, line: str) -> None:
    assert not takes(spec, line)


def test_several_lines() -> None:
    several = FieldsSpec(relation=SPEC.relation, head_types=SPEC.head_types, lines=2)
    assert takes(several, f"{LINE}\n{LINE}")
    assert not takes(several, f"{LINE}\n{LINE}\n{LINE}")


@pytest.mark.parametrize("mode", ["obo", "aao"])
def test_a_run_accounts_for_every_line(inputs: Inputs, tmp_path: Path, mode: str) -> None:
    chosen = settings(inputs, mode=mode, markup="fields", per_answer=2, shown=2, max_new_tokens=200)
    summary = run(inputs, tmp_path, chosen)
    rejected = rows(tmp_path / "rejected.jsonl")
    assert rejected
    assert len(rejected) == sum(summary["rejected"].values())
    # what was decoded keeps to the grammar; a random model's context holds no entity
    assert set(summary["rejected"]) & {"head_not_in_context", "tail_not_in_context"}
    assert not set(summary["rejected"]) & {"no_fields", "wrong_relation", "off_grammar", "no_head"}


def test_what_is_accepted_has_its_offsets_and_types(inputs: Inputs, tmp_path: Path) -> None:
    relation = load_schema(inputs.schema).relations[0]
    sample = next(s for s in read_samples(inputs.train) if s.relation == relation.name)
    line = render_fields(sample, relation).replace(sample.text, f"{sample.text} It is so indeed.")

    class Fixed:
        """A model that writes one line."""

        def show(self, prompts: Mapping[int, Prompt]) -> None:
            assert all("Head Entity: " in prompt.text for prompt in prompts.values())

        def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
            return [Draft(line, "stop", 9, (None,)) for _ in requests]

        def forget(self) -> None: ...

        def close(self) -> None: ...

    chosen = settings(
        inputs,
        markup="fields",
        samples=1,
        grammar=False,
        near_copy_overlap=1.0,
        max_words=200,
        relations=(relation.name,),
        max_entity_chars=200,
    )
    run(inputs, tmp_path, chosen, engine=lambda settings, answers: Engine(PLAIN, Fixed))
    (made,) = read_samples(tmp_path / "generated.jsonl")
    assert made.head_text == sample.head_text
    assert made.tail_text == sample.tail_text
    assert made.text.endswith("It is so indeed.")
