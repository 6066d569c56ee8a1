"""What a client sends to `POST /predict`, checked and turned into samples."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relgen.classifiers import find_mention
from relgen.common import InputError
from relgen.data import UNLABELLED, Entity, Sample

_EXAMPLE: Any = {"text": "Ann founded Acme in 1990.", "head": "Acme", "tail": "Ann"}
_SPANS: Any = {"text": "Ann founded Acme.", "head": {"start": 12, "end": 16}, "tail": [0, 3]}


class Mention(BaseModel):
    """Where an entity is: characters (code points) from `start` to `end`, exclusive."""

    start: int
    end: int
    type: str | None = None


Offsets = Annotated[list[int], Field(min_length=2, max_length=2)]


class SentenceRequest(BaseModel):
    """A sentence and its two entities; a line of samples.jsonl is one."""

    id: str | None = None
    text: str
    head: Mention | Offsets | str = Field(description="as written in the text, or where it is")
    tail: Mention | Offsets | str = Field(description="as written in the text, or where it is")


class PredictRequest(BaseModel):
    """One sentence, or several as `samples`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_EXAMPLE, {"samples": [_EXAMPLE, _SPANS]}]}
    )
    samples: list[SentenceRequest]

    @model_validator(mode="before")
    @classmethod
    def _wrap(cls, value: Any) -> Any:
        return {"samples": [value]} if isinstance(value, dict) and "text" in value else value


class PredictionResponse(BaseModel):
    """The answer to a sentence."""

    id: str
    relation: str = Field(description="the most probable relation")
    score: float = Field(description="its probability")
    scores: dict[str, float] = Field(description="the probabilities of all relations")


class PredictResponse(BaseModel):
    """The answers, in the order of the sentences."""

    predictions: list[PredictionResponse]


class ErrorResponse(BaseModel):
    """What is wrong, and what to do."""

    detail: str


def read_samples(
    request: PredictRequest, *, max_sentences: int, max_characters: int
) -> list[Sample]:
    """Return a request's samples; ids count from 0 where they are not given.

    Raises:
        InputError: a mention is not clear, or a limit is exceeded.
    """
    count = len(request.samples)
    if not 0 < count <= max_sentences:
        problem = f"a request has 1 to {max_sentences} sentences"
        raise InputError(problem, field="samples", value=count, remedy="send several requests")
    return [
        _sample(number, sentence, max_characters) for number, sentence in enumerate(request.samples)
    ]


def _sample(number: int, sentence: SentenceRequest, max_characters: int) -> Sample:
    if len(sentence.text) > max_characters:
        problem = f"samples.{number}.text: longer than {max_characters} characters"
        raise InputError(problem, value=len(sentence.text), remedy="send single sentences")
    try:
        head, tail = (
            _entity(sentence.text, mention, role)
            for mention, role in ((sentence.head, "head"), (sentence.tail, "tail"))
        )
        name = str(number) if sentence.id is None else sentence.id
        return Sample(name, sentence.text, head, tail, UNLABELLED)
    except InputError as error:
        raise InputError(f"samples.{number}: {error}") from error


def _entity(text: str, mention: Mention | list[int] | str, role: str) -> Entity:
    if isinstance(mention, Mention):
        return Entity(mention.start, mention.end, mention.type)
    if isinstance(mention, list):
        return Entity(mention[0], mention[1])
    return Entity(*find_mention(text, mention, role))
