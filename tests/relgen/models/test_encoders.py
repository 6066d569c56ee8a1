"""The sentence encoder: pooling by hand, a tiny model built here, and MiniLM's weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from relgen.common.errors import InputError
from relgen.models import encoders
from relgen.models.encoders import SentenceEncoder, mean_pool

pytestmark = pytest.mark.compute


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A two-layer BERT with random weights and nine words."""
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fire", "caused", "smoke", "rain"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=9,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


def test_mean_pool_leaves_padding_out() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    assert mean_pool(states, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 3.0]]


def test_vectors_do_not_depend_on_the_batch_they_are_in(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["fire caused smoke fire caused smoke", "rain", "smoke caused rain", "fire"]
    together = SentenceEncoder(tiny).encode(texts)
    monkeypatch.setattr(encoders, "_BATCH", 1)
    alone = SentenceEncoder(tiny).encode(texts)
    assert together.shape == (4, 8)
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(4))
    assert not torch.allclose(together[1], together[3])


def test_no_texts_give_no_vectors(tiny: str) -> None:
    assert SentenceEncoder(tiny).encode([]).shape == (0, 8)


def test_an_unknown_encoder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encoder"):
        SentenceEncoder(str(tmp_path))


@pytest.mark.weights
def test_minilm_puts_paraphrases_side_by_side() -> None:
    vectors = SentenceEncoder().encode(
        ["The storm caused a flood.", "A flood was caused by the storm.", "She plays the violin."]
    )
    assert vectors.shape == (3, 384)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.9
    assert cosines[0, 2] < 0.3
