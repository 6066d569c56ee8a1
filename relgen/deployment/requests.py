"""Checks what clients send to `POST /predict`, and turns it into samples."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relgen.classifiers import find_mention
from relgen.common import InputError
from relgen.data import UNLABELLED, Entity, Sample
from relgen.prediction import RawText

_EXAMPLE: Any = {"text": "Ann founded Acme in 1990.", "head": "Acme", "tail": "Ann"}
_SPANS: Any = {"text": "Ann founded Acme.", "head": {"start": 12, "end": 16}, "tail": [0, 3]}
_PLACE = "as written in the text, or where it is; without head and tail, entities are looked for"


class EntityRequest(BaseModel):
    """An entity's place: characters (code points) from `start` to `end`, exclusive."""

    start: int
    end: int
    type: str | None = None


Offsets = Annotated[list[int], Field(min_length=2, max_length=2)]


class SentenceRequest(BaseModel):
    """A sentence and its two entities (a line of samples.jsonl is one), or a raw text."""

    id: str | None = None
    text: str
    head: EntityRequest | Offsets | str | None = Field(None, description=_PLACE)
    tail: EntityRequest | Offsets | str | None = Field(None, description=_PLACE)


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


class EntityResponse(EntityRequest):
    """An entity, and where it is."""

    text: str


class PredictionResponse(BaseModel):
    """A row, as `relgen predict` writes it."""

    id: str
    document: str | None = Field(None, description="of a raw text: its id")
    offset: int | None = Field(None, description="of a raw text: where the row's text begins in it")
    text: str
    head: EntityResponse
    tail: EntityResponse
    relation: str | None = Field(description="null: no answer")
    probability: float
    scores: dict[str, float] = Field(description="the probabilities of all relations")


class PredictResponse(BaseModel):
    """The rows: one for each sentence, and one for each relation in a raw text, in order."""

    predictions: list[PredictionResponse]


class ErrorResponse(BaseModel):
    """An error, and what to do about it."""

    detail: str


def read_items(
    request: PredictRequest, *, max_sentences: int, max_characters: int, raw: bool
) -> list[Sample | RawText]:
    """Return a request's sentences and texts; ids count from 0 where they are not given.

    Raises:
        InputError: a mention is not clear, a limit is exceeded, or a text is `raw` and must not be.
    """
    count = len(request.samples)
    if not 0 < count <= max_sentences:
        problem = f"a request has 1 to {max_sentences} sentences"
        raise InputError(problem, field="samples", value=count, remedy="send several requests")
    found = []
    for number, sentence in enumerate(request.samples):
        name = str(number) if sentence.id is None else sentence.id
        try:
            if len(sentence.text) > max_characters:
                problem = f"longer than {max_characters} characters"
                remedy = "send single sentences"
                raise InputError(problem, field="text", value=len(sentence.text), remedy=remedy)
            found.append(_item(name, sentence, raw))
        except InputError as error:
            raise InputError(f"samples.{number}: {error}") from error
    return found


def _item(name: str, sentence: SentenceRequest, raw: bool) -> Sample | RawText:
    text, head, tail = sentence.text, sentence.head, sentence.tail
    if head is None and tail is None and raw:
        if not text.strip():
            raise InputError("must not be empty", field="text", value=text)
        return RawText(name, text)
    if head is None or tail is None:
        missing = "head" if head is None else "tail"
        remedy = "give both, or neither" if raw else "raw text needs a server with --entities"
        raise InputError("is missing", field=missing, remedy=remedy)
    return Sample(name, text, _entity(text, head, "head"), _entity(text, tail, "tail"), UNLABELLED)


def _entity(text: str, mention: EntityRequest | list[int] | str, role: str) -> Entity:
    if isinstance(mention, EntityRequest):
        return Entity(mention.start, mention.end, mention.type)
    if isinstance(mention, list):
        return Entity(mention[0], mention[1])
    return Entity(*find_mention(text, mention, role))
