"""The chains of a relation: what they show, and how many samples are missing."""

from __future__ import annotations

from typing import Any

from relgen.data.samples import Sample
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import ChainState, RelationState, initial_states, waves
from tests import tiny

HUMANS = [tiny.sentence(head, " shook the old ", "bridge") for head in ("Wind", "Rain", "Hail")]
WRITTEN = [tiny.sentence(head, " broke the new ", "mast") for head in ("Ice", "Snow")]


def shown(chain: ChainState, **values: Any) -> list[Sample]:
    return chain.demonstrations(GenerationSettings(**values))


def test_obo_shows_one_human_sample_and_what_it_wrote() -> None:
    chain = ChainState(5, 1, HUMANS, accepted=WRITTEN)
    assert shown(chain) == [HUMANS[1], *WRITTEN]
    assert shown(chain, window=1) == [HUMANS[1], WRITTEN[1]]
    assert shown(chain, window=0) == [HUMANS[1]]


def test_aao_shows_other_human_samples_in_each_request() -> None:
    chain = ChainState(0, 0, HUMANS, step=1)
    assert shown(chain, mode="aao", shown=2) == [HUMANS[2], HUMANS[0]]
    assert shown(chain, mode="aao", shown=9) == HUMANS


def test_a_relation_stops_when_its_drafts_or_tokens_are_used_up() -> None:
    state = RelationState(tiny.typed_schema()["causes"], [], 4, accepted=1, drafts=7, tokens=50)
    assert state.missing(GenerationSettings(max_drafts_per_sample=2)) == 3
    assert state.missing(GenerationSettings(max_drafts_per_sample=1)) == 0
    assert state.missing(GenerationSettings(token_budget=50)) == 0


def test_relations_form_waves_of_a_few_chains() -> None:
    relations = list(tiny.typed_schema())
    settings = GenerationSettings(chains=2)
    states = initial_states(relations, tiny.labelled(), settings)
    labelled = {sample.relation for sample in tiny.labelled()}
    assert [bool(state.chains) for state in states] == [x.name in labelled for x in relations]
    numbers = [chain.number for state in states for chain in state.chains]
    assert numbers == list(range(2 * len(labelled)))
    assert waves(states, None) == [states]
    few = [state for state in states if state.chains]
    assert waves(few, 1) == [[state] for state in few]
    assert waves(few, 4)[0] == few[:2]
