"""Tiny random models of every supported family, with the logits, loss and gradients that transformers gives.

    python tests/oracle/models.py [case ...]

Writes tests/golden/models/<case>/:
  config.json, model.safetensors   as transformers' save_pretrained writes them (float32)
  config.legacy.json               same model in the older spelling (rope_theta + rope_scaling); rope models only
  expected.safetensors             input_ids (2,T) int32, logits (2,T,V) f32, loss () f32 = mean next-token
                                   cross-entropy of both sequences, grad.<parameter> f32 for every parameter
  expected.json                    loss, inv_freq and attention factor, library versions, and `noise`: how far the
                                   float32 results are from the same model run in float64 (max |diff| / max |value|)
Eager attention, eval mode, no padding, every dropout 0.
"""

import copy
import json
import shutil
import sys

from common import (
    GOLDEN,
    deterministic,
    folder_bytes,
    next_token_loss,
    random_ids,
    randomise_small_parameters,
    relative,
    versions,
    write_json,
    write_tensors,
)

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitNetConfig,
    Cohere2Config,
    CohereConfig,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GemmaConfig,
    Glm4Config,
    GlmConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
    StableLmConfig,
)
from transformers.utils import logging

logging.disable_progress_bar()

# Odd vocabulary and an intermediate size that is no multiple of 8: kernels with tail bugs show here.
SMALL = dict(
    vocab_size=101,
    hidden_size=32,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    initializer_range=0.3,
    bos_token_id=1,
    eos_token_id=2,
)
# head_dim 16 ≠ 32 / 4, so 8 frequencies spread over the bands of each scaling.
WIDE_HEAD = dict(SMALL, head_dim=16, num_key_value_heads=1)


# Of families with much in common with those above.
LITTLE = dict(SMALL, vocab_size=61, pad_token_id=None)
GEMMA = dict(LITTLE, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
TYPES = dict(layer_types=["sliding_attention", "full_attention"], sliding_window=5)


def longrope() -> dict:
    """Half of 8 channels turn, so there are two frequencies; texts of more than 16 tokens are long."""
    rope = {
        "rope_type": "longrope",
        "rope_theta": 500.0,
        "partial_rotary_factor": 0.5,
        "short_factor": [1.1, 1.3],
        "long_factor": [1.7, 3.9],
    }
    return dict(LITTLE, original_max_position_embeddings=16, rope_parameters=rope)


def scaled(rope: dict) -> dict:
    return dict(WIDE_HEAD, tie_word_embeddings=True, rope_parameters={"rope_theta": 500.0, **rope})


CASES = {
    "llama": (LlamaConfig, dict(SMALL, tie_word_embeddings=True, rms_norm_eps=1e-5), 33),
    "llama-bias": (
        LlamaConfig,
        dict(SMALL, tie_word_embeddings=False, attention_bias=True, mlp_bias=True, num_hidden_layers=3),
        27,
    ),
    "mistral": (MistralConfig, dict(SMALL, head_dim=8, sliding_window=7, tie_word_embeddings=False), 31),
    "qwen2": (Qwen2Config, dict(SMALL, use_sliding_window=False, tie_word_embeddings=True), 26),
    "qwen2-sliding": (
        Qwen2Config,
        dict(SMALL, use_sliding_window=True, sliding_window=6, max_window_layers=1, tie_word_embeddings=False),
        26,
    ),
    "qwen3": (Qwen3Config, dict(SMALL, head_dim=16, tie_word_embeddings=True), 29),
    "gpt2": (
        GPT2Config,
        dict(
            vocab_size=101,
            n_positions=48,
            n_embd=32,
            n_layer=2,
            n_head=4,
            initializer_range=0.3,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        30,
    ),
    "llama-rope-linear": (LlamaConfig, scaled({"rope_type": "linear", "factor": 4.0}), 40),
    "llama-rope-dynamic": (
        LlamaConfig,
        dict(scaled({"rope_type": "dynamic", "factor": 2.0}), max_position_embeddings=16),
        40,
    ),
    "llama-rope-llama3": (
        LlamaConfig,
        scaled(
            {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            }
        ),
        40,
    ),
    "llama-rope-yarn": (
        LlamaConfig,
        scaled({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
        40,
    ),
    "llama-rope-yarn-mscale": (
        LlamaConfig,
        scaled(
            {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 16,
                "beta_fast": 4.0,
                "beta_slow": 0.25,
                "mscale": 0.707,
                "mscale_all_dim": 1.0,
                "truncate": False,
            }
        ),
        40,
    ),
    "qwen3-rope-yarn": (
        Qwen3Config,
        scaled(
            {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 16,
                "attention_factor": 1.3,
            }
        ),
        40,
    ),
    # Plain weights: packed ones are those of plugins/bitnet.
    "bitnet": (
        BitNetConfig,
        dict(SMALL, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 500000.0}),
        29,
    ),
    "gemma": (GemmaConfig, GEMMA, 23),
    # Caps that bite.
    "gemma2": (
        Gemma2Config,
        dict(GEMMA, **TYPES, query_pre_attn_scalar=24, attn_logit_softcapping=5.0, final_logit_softcapping=8.0),
        23,
    ),
    "gemma3": (
        Gemma3Config,
    Gemma3TextConfig,
        dict(
            GEMMA,
            **TYPES,
            query_pre_attn_scalar=24,
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            },
        ),
        23,
    ),
    "phi3": (Phi3Config, dict(LITTLE, sliding_window=6), 23),
    "phi3-longrope-short": (Phi3Config, longrope(), 13),
    "phi3-longrope": (Phi3Config, longrope(), 23),
    "olmo2": (Olmo2Config, LITTLE, 23),
    "granite": (
        GraniteConfig,
        dict(
            LITTLE,
            tie_word_embeddings=True,
            attention_multiplier=0.2,
            embedding_multiplier=3.0,
            residual_multiplier=0.7,
            logits_scaling=1.5,
        ),
        23,
    ),
    "smollm3": (SmolLM3Config, dict(LITTLE, no_rope_layers=[1, 0]), 23),
    "glm": (GlmConfig, dict(LITTLE, head_dim=8), 23),
    "glm4": (Glm4Config, dict(LITTLE, head_dim=8), 23),
    "cohere": (CohereConfig, dict(LITTLE, use_qk_norm=True, logit_scale=0.25), 23),
    "cohere2": (Cohere2Config, dict(LITTLE, **TYPES, logit_scale=0.25), 23),
    "stablelm": (StableLmConfig, dict(LITTLE, use_qkv_bias=True), 23),
    "stablelm-parallel": (
        StableLmConfig,
        dict(LITTLE, qk_layernorm=True, use_parallel_residual=True, rope_parameters={"rope_theta": 500.0, "partial_rotary_factor": 0.5}),
        23,
    ),
    # The same behind images, which are not looked at.
    "gemma3-images": (
        Gemma3Config,
        dict(
            mm_tokens_per_image=1,
            text_config=dict(GEMMA, **TYPES, query_pre_attn_scalar=24),
            vision_config=dict(
                hidden_size=4,
                intermediate_size=4,
                num_hidden_layers=1,
                num_attention_heads=1,
                image_size=4,
                patch_size=4,
                vision_use_head=False,
            ),
        ),
        23,
    ),
}


def legacy(config: dict) -> dict:
    """config.json as transformers 4 wrote it: rope_theta at the top, rope_scaling null or an object."""
    out = {k: v for k, v in config.items() if k not in ("rope_parameters", "dtype")}
    rope = dict(config["rope_parameters"])
    if "full_attention" in rope:
        out["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = dict(rope["full_attention"])
    out["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        out["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if rope["rope_type"] == "longrope":
        rope.pop("original_max_position_embeddings")
    out["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    out["torch_dtype"] = config["dtype"]
    return out


def randomise_norms(model, seed: int) -> None:
    """Norms of Gemma scale by 1 + w, so their w is around 0; those of Cohere's heads are matrices."""
    randomise_small_parameters(model, seed)
    generator = torch.Generator().manual_seed(seed + 500)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if model.config.model_type.startswith("gemma") and parameter.dim() == 1 and "vision" not in name:
                parameter.sub_(1)
            if name.endswith(("q_norm.weight", "k_norm.weight")) and parameter.dim() == 2:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


def run(model, ids):
    model.zero_grad(set_to_none=True)
    logits = model(input_ids=ids, use_cache=False).logits
    loss = next_token_loss(logits, ids)
    loss.backward()
    grads = {name: p.grad.detach().clone() for name, p in model.named_parameters() if p.grad is not None}
    return logits.detach(), loss.detach(), grads


def write_case(name: str, index: int) -> None:
    kind, arguments, length = CASES[name]
    deterministic(1000 + index)
    folder = GOLDEN / "models" / name
    shutil.rmtree(folder, ignore_errors=True)

    config = kind(**arguments)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    assert model.config._attn_implementation == "eager"
    randomise_norms(model, 2000 + index)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    # What counts is the model as read back from the folder, not the one in memory.
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    ids = random_ids(config.get_text_config().vocab_size, (2, length), 3000 + index)
    logits, loss, grads = run(model, ids)
    exact_logits, exact_loss, exact_grads = run(copy.deepcopy(model).double(), ids)

    rope = None
    written = json.loads((folder / "config.json").read_text())
    if "rope_parameters" in written:
        rotary = model.model.rotary_emb
        if hasattr(rotary, "inv_freq"):
            rope = {"invFreq": rotary.inv_freq.tolist(), "attentionFactor": float(rotary.attention_scaling)}
        write_json(folder / "config.legacy.json", legacy(written))
        old = AutoConfig.from_pretrained(folder / "config.legacy.json")
        assert old.rope_parameters == config.rope_parameters, (old.rope_parameters, config.rope_parameters)
        older = AutoModelForCausalLM.from_config(old, attn_implementation="eager", dtype=torch.float32).eval()
        older.load_state_dict(model.state_dict())
        assert torch.equal(older(input_ids=ids, use_cache=False).logits, logits)

    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits, "loss": loss}
        | {f"grad.{k}": v for k, v in grads.items()},
    )
    noise = {
        "logits": relative(logits, exact_logits),
        "loss": abs(float(loss) - float(exact_loss)) / abs(float(exact_loss)),
        "worstGrad": max(relative(grads[k], exact_grads[k]) for k in grads),
    }
    write_json(
        folder / "expected.json",
        {"case": name, "loss": float(loss), "rope": rope, "noise": noise, "versions": versions()},
    )
    small = min((float(g.abs().max()), k) for k, g in grads.items())
    print(f"{name}: loss {float(loss):.4f} max|logit| {float(logits.abs().max()):.2f} noise {noise} "
          f"smallest grad {small} {folder_bytes(folder)} bytes")


if __name__ == "__main__":
    names = list(CASES)
    for case in sys.argv[1:] or names:
        write_case(case, names.index(case))
