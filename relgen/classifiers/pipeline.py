"""The use of a trained classifier: raw strings or samples in, predictions out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from relgen.classifiers.base import Classifier, collate
from relgen.classifiers.predictions import Prediction
from relgen.errors import InputError
from relgen.samples import Entity, Sample
from relgen.schema import RelationSchema

Mention = str | tuple[int, int]


class SavedClassifier:
    """A trained classifier, ready to predict.

    Args:
        classifier: the module; set to eval mode.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier.eval()

    @property
    def schema(self) -> RelationSchema:
        """The relations that it tells apart."""
        return self.classifier.schema

    def predict(self, text: str, head: Mention, tail: Mention) -> Prediction:
        """The relation between two mentions of a sentence.

        Args:
            text: the sentence.
            head: the head's characters as they stand in the text, or (start, end) offsets.
            tail: the tail's, likewise.

        Raises:
            InputError: (a ValueError) a mention is not in the text, or is there more than once.
        """
        spans = [
            Entity(*find_mention(text, mention, role))
            for role, mention in (("head", head), ("tail", tail))
        ]
        return self.predict_samples([Sample("input", text, spans[0], spans[1], "unknown")])[0]

    def predict_many(self, inputs: Sequence[tuple[str, Mention, Mention]]) -> list[Prediction]:
        """`predict` for many (text, head, tail); the predictions' ids count from 0."""
        samples = [
            Sample(
                str(number),
                text,
                Entity(*find_mention(text, head, "head")),
                Entity(*find_mention(text, tail, "tail")),
                "unknown",
            )
            for number, (text, head, tail) in enumerate(inputs)
        ]
        return self.predict_samples(samples)

    @torch.inference_mode()
    def predict_samples(
        self, samples: Sequence[Sample], *, batch_size: int = 64
    ) -> list[Prediction]:
        """Predictions for samples, in their order; their own relations are not looked at.

        Args:
            samples: any number.
            batch_size: how many are computed at once.
        """
        encoding, device = self.classifier.encoding, next(self.classifier.parameters()).device
        encoded = encoding.encode(samples)
        order = sorted(range(len(samples)), key=lambda row: -len(encoded[row].input_ids))
        rows: dict[int, list[float]] = {}
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = collate([encoded[row] for row in chosen], pad_id=encoding.pad_id)
            batch = batch._replace(
                input_ids=batch.input_ids.to(device),
                attention_mask=batch.attention_mask.to(device),
                positions=batch.positions.to(device),
            )
            probabilities = self.classifier(batch).float().softmax(dim=-1)  # (B, R)
            rows.update(zip(chosen, probabilities.tolist(), strict=True))
        return [
            Prediction.from_probabilities(sample.id, self.schema.labels, rows[row])
            for row, sample in enumerate(samples)
        ]


def find_mention(text: str, mention: Mention, role: str) -> tuple[int, int]:
    """Where a mention stands in a text; whole words go before parts of words.

    Args:
        text: the sentence.
        mention: the characters, or the offsets themselves.
        role: `head` or `tail`, for the message.

    Raises:
        InputError: it is not there, or more than once.
    """
    if not isinstance(mention, str):
        return mention
    if not mention.strip():
        raise InputError("the mention is empty", field=role, value=mention)
    found = [match.start() for match in re.finditer(f"(?={re.escape(mention)})", text)]
    whole = [
        start
        for start in found
        if not (text[:start][-1:].isalnum() and mention[0].isalnum())
        and not (text[start + len(mention) :][:1].isalnum() and mention[-1].isalnum())
    ]
    places = whole or found
    if len(places) == 1:
        return places[0], places[0] + len(mention)
    if not places:
        raise InputError(
            f"the mention is not in the text {text!r}",
            field=role,
            value=mention,
            remedy="write it exactly as it stands there, or give (start, end) offsets",
        )
    raise InputError(
        f"the mention is in the text {len(places)} times, at {places}",
        field=role,
        value=mention,
        remedy=f"give the offsets of the one meant, such as {role}=({places[0]}, "
        f"{places[0] + len(mention)})",
    )
