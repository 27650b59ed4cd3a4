"""Tiny random models that score texts, with the scores, and the gradients of a sum of them, that transformers gives.

    python tests/oracle/score_models.py

Writes tests/golden/score-models/<case>/:
  config.json, model.safetensors   of <Family>ForSequenceClassification, as save_pretrained writes them (float32)
  expected.safetensors             input_ids (3, T) int32, padded at the end; lengths (3) int32; factors and logits (3, labels) f32;
                                   grad.<parameter> f32 of Σ factors·logits
The end token of the second text is its pad token too: transformers takes the token before it.
"""

import json
import shutil

from common import GOLDEN, deterministic, folder_bytes, random_ids, randomise_small_parameters, write_tensors

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, LlamaConfig, Qwen2Config, Qwen3Config

TINY = dict(
    vocab_size=61,
    hidden_size=16,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=32,
    initializer_range=0.3,
    pad_token_id=2,
    bos_token_id=1,
    eos_token_id=2,
)
CASES = {
    "llama": (LlamaConfig, dict(TINY, num_labels=1)),
    "qwen2": (Qwen2Config, dict(TINY, num_labels=3)),
    "qwen3": (Qwen3Config, dict(TINY, num_labels=2)),
}


def write_case(name: str, index: int) -> None:
    kind, arguments = CASES[name]
    deterministic(7000 + index)
    folder = GOLDEN / "score-models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForSequenceClassification.from_config(kind(**arguments), dtype=torch.float32).eval()
    randomise_small_parameters(model, 7100 + index)
    model.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["architectures"][0].endswith("ForSequenceClassification")
    assert AutoConfig.from_pretrained(folder).num_labels == arguments["num_labels"]

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    ids = random_ids(61, (3, 9), 7200 + index).clamp(min=3)
    lengths = [9, 6, 4]
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, length:] = 2
        mask[row, :length] = 1
    ids[1, lengths[1] - 1] = 2
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    factors = torch.randn(logits.shape, generator=torch.Generator().manual_seed(7300 + index))
    (factors * logits).sum().backward()
    write_tensors(
        folder / "expected.safetensors",
        {
            "input_ids": ids.to(torch.int32),
            "lengths": torch.tensor(lengths, dtype=torch.int32),
            "factors": factors,
            "logits": logits.detach(),
        }
        | {f"grad.{k}": p.grad.detach().clone() for k, p in model.named_parameters()},
    )
    print(f"{name}: {logits.detach().tolist()} {folder_bytes(folder)} bytes")


if __name__ == "__main__":
    for i, case in enumerate(CASES):
        write_case(case, i)
