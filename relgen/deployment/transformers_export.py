"""Exports a classifier as an ordinary model of transformers, which needs no remote code.

Entity markers become a token classifier, whose two labels of each relation are read at the two
opening markers; KnowPrompt stays the masked language model that it is. `relations.py` in the folder
(`relgen.deployment.transformers_runner`) adds the logits up.
"""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, PreTrainedModel

from relgen.classifiers import (
    Classifier,
    EntityMarkerClassifier,
    KnowPromptClassifier,
    PromptLayout,
    load_network,
)
from relgen.common import (
    EXPORT_FILE,
    InputError,
    atomic_folder,
    check_export,
    markdown_text,
    write_json,
    write_text,
)
from relgen.data import Sample
from relgen.deployment.agreement import (
    Agreement,
    allowed_types,
    comparison_samples,
    inputs_of,
    measure_agreement,
    origin,
    require_same,
)
from relgen.models import longest_input

_REMEDY = "export to ONNX, or serve the classifier's own folder: relgen serve"
_CARD = """\
# {name}, for transformers

`transformers.pipeline("{task}", model="THIS FOLDER")` loads it, without `trust_remote_code`.
`relations.py` turns its answers into relations:

```python
from relations import Relations

relations = Relations("THIS FOLDER")
relations.predict("Ann founded Acme in 1990.", head=(12, 16), tail=(0, 3))
```

It gives {agreement}.
"""


def export_transformers(
    folder: str | Path,
    out: str | Path,
    *,
    samples: str | Path | None = None,
    force: bool = False,
) -> Agreement:
    """Write a classifier as a folder of transformers; return how its labels agree.

    Args:
        folder: the classifier.
        samples: sentences to compare labels on, by default those that it was trained with.
        force: replace an earlier export at `out`.

    Raises:
        InputError: transformers has no such model without code, labels differ, or `out` exists.
    """
    check_export(out, force=force)
    saved = load_network(folder)
    classifier = saved.classifier
    if classifier.learns_after_training:
        problem = f"transformers has no model for a classifier of kind '{classifier.kind}'"
        raise InputError(problem, path=folder, remedy=_REMEDY)
    given = comparison_samples(samples, folder)
    if isinstance(classifier, EntityMarkerClassifier):
        model, settings = _token_classifier(classifier)
    else:
        model, settings = _masked(cast(KnowPromptClassifier, classifier))
    sentences = _whole(classifier, given)
    expected = saved.predict_samples(sentences)
    # what the runner refuses to exceed; not every tokenizer knows it
    tokenizer = classifier.encoding.tokenizer
    most = longest_input(cast(PreTrainedModel, model.base_model))
    tokenizer.model_max_length = min(tokenizer.model_max_length, most)
    with atomic_folder(out, EXPORT_FILE) as temporary:
        model.save_pretrained(temporary)
        classifier.encoding.save(temporary)
        settings |= {"labels": saved.schema.labels, "types": allowed_types(saved.schema)}
        settings["temperature"] = float(classifier.temperature)
        write_json(temporary / "relations.json", settings)
        runner = files(__package__).joinpath("transformers_runner.py").read_text(encoding="utf-8")
        write_text(temporary / "relations.py", runner)
        relations = runpy.run_path(str(temporary / "relations.py"))["Relations"](temporary)
        inputs = zip(*inputs_of(sentences), strict=True)
        found = [relations.predict(*one, types) for one, types in inputs]
        too_long = len(given) - len(sentences)
        agreement = measure_agreement(expected, found)._replace(too_long=too_long)
        require_same(agreement, "transformers", differing=0.0, mean=1e-3, remedy=_REMEDY)
        card = _CARD.format(
            name=markdown_text(saved.schema.name), task=settings["task"], agreement=agreement
        )
        write_text(temporary / "README.md", card)
        write_json(temporary / EXPORT_FILE, origin(folder, {"float32": agreement}))
    return agreement


def _whole(classifier: Classifier, samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples that the classifier does not cut; raise InputError if there is none."""
    encoded = zip(samples, classifier.encoding.encode(samples), strict=True)
    if not (whole := [sample for sample, one in encoded if not one.truncated]):
        problem = f"all sentences exceed the classifier's {classifier.encoding.max_length} tokens"
        raise InputError(problem, field="--samples", remedy="give shorter sentences")
    return whole


def _token_classifier(classifier: EntityMarkerClassifier) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a token classifier of 2 R labels with the classifier's weights."""
    encoder, output, labels = classifier.encoder, classifier.output, classifier.schema.labels
    names = [f"{role}:{label}" for role in ("head", "tail") for label in labels]
    config = type(encoder.config).from_dict(encoder.config.to_dict())
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    model = AutoModelForTokenClassification.from_config(config)
    last = getattr(model, "classifier", None)
    missing = model.base_model.load_state_dict(encoder.state_dict(), strict=False).missing_keys
    if not isinstance(last, nn.Linear) or [name for name in missing if "pooler" not in name]:
        problem = f"transformers' token classifier of a {config.model_type} has other layers"
        raise InputError(problem, remedy=_REMEDY)
    with torch.no_grad():
        for_head, for_tail = output.weight.chunk(2, dim=1)  # (R, H) each
        last.weight.copy_(torch.cat([for_head, for_tail]))
        last.bias.copy_(torch.cat([output.bias, torch.zeros_like(output.bias)]))
    encoding = classifier.encoding
    markers = {
        role: {kind: encoding.marker_texts(role, kind or None) for kind in ("", *encoding.types)}
        for role in ("head", "tail")
    }
    return model.eval(), {"task": "token-classification", "markers": markers}


def _masked(classifier: KnowPromptClassifier) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return the masked language model as transformers builds it, and its prompt."""
    encoding, tokenizer = classifier.encoding, classifier.encoding.tokenizer
    config = classifier.language_model.config
    model = AutoModelForMaskedLM.from_config(type(config).from_dict(config.to_dict()))
    model.load_state_dict(classifier.language_model.state_dict())
    layout = cast(PromptLayout, encoding.layout)
    names: Any = tokenizer.convert_ids_to_tokens
    between = "".join(names(layout.between))
    sub, obj, mask, *answers = names([layout.sub, layout.obj, layout.mask, *encoding.answer_ids])
    prompt = f"{between}{sub} {{head}}{sub}{mask}{obj} {{tail}}{obj}"
    return model.eval(), {"task": "fill-mask", "prompt": prompt, "answers": answers}
