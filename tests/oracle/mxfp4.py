"""A tiny gpt_oss whose experts are stored in MXFP4, as those on the hub are, with the logits that transformers gives.

    python tests/oracle/mxfp4.py

Writes tests/golden/moe-models/gpt_oss-mxfp4/: config.json, model.safetensors (bfloat16; blocks and scales uint8), expected.safetensors
(input_ids (2, T) int32, logits f32 of the model that transformers unpacked, in float32).
"""

import json
import shutil

from common import GOLDEN, deterministic, folder_bytes, random_ids, randomise_small_parameters, write_tensors

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GptOssConfig

CONFIG = dict(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
    num_local_experts=3,
    num_experts_per_tok=2,
    sliding_window=6,
    max_position_embeddings=64,
    initializer_range=0.2,
)


def main() -> None:
    deterministic(9500)
    folder = GOLDEN / "moe-models" / "gpt_oss-mxfp4"
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_config(GptOssConfig(**CONFIG), dtype=torch.bfloat16)
    randomise_small_parameters(model, 9501)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    generator = torch.Generator().manual_seed(9502)
    tensors = load_file(folder / "model.safetensors")
    for name in [n for n in tensors if n.endswith(("gate_up_proj", "down_proj"))]:
        experts, inner, out = tensors.pop(name).shape
        shape = (experts, out, inner // 32)
        tensors[f"{name}_blocks"] = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
        tensors[f"{name}_scales"] = torch.randint(122, 127, shape, generator=generator, dtype=torch.uint8)
    write_tensors(folder / "model.safetensors", tensors)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    model = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", experts_implementation="eager", dtype=torch.bfloat16
    )
    model = model.float().eval()
    model.config.quantization_config = None
    ids = random_ids(CONFIG["vocab_size"], (2, 15), 9503)
    logits = model(input_ids=ids, use_cache=False).logits.detach()
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits, "loss": torch.zeros(())},
    )
    print(f"gpt_oss-mxfp4: max|logit| {float(logits.abs().max()):.2f} {folder_bytes(folder)} bytes")


if __name__ == "__main__":
    main()
