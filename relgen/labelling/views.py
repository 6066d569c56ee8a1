"""Views of a sample: the texts that a language model reads, and where its states are taken.

The state of a causal model depends only on earlier tokens. Two kinds of view work around that:

- *echo*: the sentence twice; in the second copy, each entity has seen the whole sentence (Springer
  et al. 2024, *Repetition Improves Language Model Embeddings*, arXiv 2402.15449);
- *statement*: the sentence, then the beginning of a statement about the relation between both
  entities, whose last state predicts the continuation. There is one for each order of the two.

Views do not depend on the schema.
"""

from __future__ import annotations

from dataclasses import dataclass

from relgen.data import Sample

# the slots after exchanging head and tail
EXCHANGED = (1, 0, 3, 2)
SLOTS = len(EXCHANGED)


@dataclass(frozen=True, slots=True)
class View:
    """A text, with a state taken at the last token that begins before each end (in characters)."""

    text: str
    ends: tuple[int, ...]


def views(sample: Sample) -> tuple[View, View, View]:
    """Return the three views, with four ends in all: echoed head, echoed tail, both statements.

    >>> print(views(sample)[1].text)
    Ann lives in Bern.
    In this sentence, the relation between "Ann" and "Bern" is that the Ann
    """
    text, head, tail = sample.text, sample.head_text.strip(), sample.tail_text.strip()
    second = len(text) + 1
    echo = View(f"{text}\n{text}", (second + sample.head.end, second + sample.tail.end))
    return echo, _statement(text, head, tail), _statement(text, tail, head)


def _statement(text: str, subject: str, other: str) -> View:
    stated = (
        f'{text}\nIn this sentence, the relation between "{subject}" and "{other}" is that the '
        f"{subject}"
    )
    return View(stated, (len(stated),))
