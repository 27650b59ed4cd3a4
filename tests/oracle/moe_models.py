"""Tiny random mixtures of experts, with the logits, loss, router loss and gradients that transformers gives.

    python tests/oracle/moe_models.py [case ...]

Writes tests/golden/moe-models/<case>/ with the files of tests/golden/models (models.py). The checkpoint has the names of the original models;
`expected.safetensors` has the gradients under those names too, and besides:
  aux_loss () f32                  the load balancing loss of both sequences
  total.grad.<parameter> f32       of the router of each block: of loss + router_aux_loss_coef · aux_loss
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
from transformers import AutoModelForCausalLM, GptOssConfig, MixtralConfig, Qwen2MoeConfig, Qwen3MoeConfig
from transformers.utils import logging

logging.disable_progress_bar()

SMALL = dict(
    vocab_size=61,
    hidden_size=24,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=64,
    initializer_range=0.3,
    bos_token_id=1,
    eos_token_id=2,
    tie_word_embeddings=False,
    output_router_logits=True,
    router_aux_loss_coef=0.05,
)
CASES = {
    "mixtral": (MixtralConfig, dict(SMALL, num_local_experts=5, num_experts_per_tok=2, sliding_window=9), 21),
    "qwen3_moe": (
        Qwen3MoeConfig,
        dict(SMALL, num_experts=7, num_experts_per_tok=3, moe_intermediate_size=12, norm_topk_prob=True),
        19,
    ),
    # A block without experts, and weights that do not add up to 1.
    "qwen3_moe-dense": (
        Qwen3MoeConfig,
        dict(
            SMALL,
            num_hidden_layers=3,
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=12,
            norm_topk_prob=False,
            mlp_only_layers=[0],
        ),
        17,
    ),
    "qwen2_moe": (
        Qwen2MoeConfig,
        dict(
            {k: v for k, v in SMALL.items() if k != "head_dim"},
            num_experts=6,
            num_experts_per_tok=2,
            moe_intermediate_size=12,
            shared_expert_intermediate_size=20,
        ),
        18,
    ),
    "gpt_oss": (
        GptOssConfig,
        dict(
            SMALL,
            num_local_experts=5,
            num_experts_per_tok=2,
            sliding_window=6,
            swiglu_limit=1.5,
            rope_parameters={
                "rope_type": "yarn",
                "rope_theta": 500.0,
                "factor": 4.0,
                "beta_fast": 4.0,
                "beta_slow": 0.25,
                "truncate": False,
                "original_max_position_embeddings": 16,
            },
        ),
        23,
    ),
}


def checkpoint_names(family: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Fused experts taken apart, as the checkpoints of all families but gpt_oss have them."""
    if family == "gpt_oss":
        return tensors
    gate, up, down = ("w1", "w3", "w2") if family == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    out = {}
    for name, value in tensors.items():
        name = name.replace(".mlp.", ".block_sparse_moe.") if family == "mixtral" else name
        if name.endswith(".experts.gate_up_proj"):
            path = name.removesuffix(".gate_up_proj")
            for i, one in enumerate(value):
                first, second = one.chunk(2)
                out[f"{path}.{i}.{gate}.weight"], out[f"{path}.{i}.{up}.weight"] = first, second
        elif name.endswith(".experts.down_proj"):
            path = name.removesuffix(".down_proj")
            for i, one in enumerate(value):
                out[f"{path}.{i}.{down}.weight"] = one
        else:
            out[name] = value
    return out


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.detach().clone() for name, p in model.named_parameters()}


def run(model, ids):
    """Logits, loss, gradients of the loss, router loss, and gradients of the sum as a training step has it."""
    model.zero_grad(set_to_none=True)
    logits = model(input_ids=ids, use_cache=False).logits
    loss = next_token_loss(logits, ids)
    loss.backward()
    plain = gradients(model)
    model.zero_grad(set_to_none=True)
    out = model(input_ids=ids, labels=ids, use_cache=False)
    torch.testing.assert_close(out.loss, (loss + model.config.router_aux_loss_coef * out.aux_loss).to(out.loss.dtype))
    out.loss.backward()
    return logits.detach(), loss.detach(), plain, out.aux_loss.detach(), gradients(model)


def write_case(name: str, index: int) -> None:
    kind, arguments, length = CASES[name]
    deterministic(8000 + index)
    folder = GOLDEN / "moe-models" / name
    shutil.rmtree(folder, ignore_errors=True)

    config = kind(**arguments)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    randomise_small_parameters(model, 8100 + index)
    generator = torch.Generator().manual_seed(8200 + index)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith(("gate.weight", "router.weight")) or key.endswith("_proj_bias"):
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", experts_implementation="eager", dtype=torch.float32
    ).eval()
    ids = random_ids(config.vocab_size, (2, length), 8300 + index)
    logits, loss, grads, aux, total = run(model, ids)
    exact_logits, exact_loss, exact_grads, _, _ = run(copy.deepcopy(model).double(), ids)
    family = json.loads((folder / "config.json").read_text())["model_type"]
    tensors = {"input_ids": ids.to(torch.int32), "logits": logits, "loss": loss, "aux_loss": aux}
    tensors |= {f"grad.{k}": v for k, v in checkpoint_names(family, grads).items()}
    routers = {k: v for k, v in total.items() if k.endswith(("mlp.gate.weight", "router.weight", "router.bias"))}
    tensors |= {f"total.grad.{k}": v for k, v in checkpoint_names(family, routers).items()}
    write_tensors(folder / "expected.safetensors", tensors)
    noise = {
        "logits": relative(logits, exact_logits),
        "loss": abs(float(loss) - float(exact_loss)) / abs(float(exact_loss)),
        "worstGrad": max(relative(grads[k], exact_grads[k]) for k in grads),
    }
    write_json(folder / "expected.json", {"case": name, "loss": float(loss), "noise": noise, "versions": versions()})
    print(f"{name}: loss {float(loss):.4f} aux {float(aux):.4f} noise {noise} {folder_bytes(folder)} bytes")


if __name__ == "__main__":
    names = list(CASES)
    for case in sys.argv[1:] or names:
        write_case(case, names.index(case))
