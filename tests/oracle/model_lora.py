"""LoRA by PEFT on every linear layer and the embedding of the families in tests/golden/models: writes tests/golden/model-lora.

    python tests/oracle/model_lora.py [case ...]

Writes tests/golden/model-lora/<case>/:
  adapter_config.json, adapter_model.safetensors   as PEFT's save_pretrained writes them; B is not 0
  expected.safetensors   input_ids (2,T) int32, logits (2,T,V) f32, loss () f32, grad.<tensor of the adapter file> f32
Eager attention, eval mode, no padding; computed in float64.
"""

import shutil
import sys
import warnings

from common import GOLDEN, deterministic, next_token_loss, random_ids, relative, write_tensors

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens"]
FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj", "embed_tokens"]
GLM = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj", "embed_tokens"]
# Layers of the images have the same names.
TEXT = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
CASES = {
    "gemma": LAYERS,
    "gemma2": LAYERS,
    "gemma3": LAYERS,
    "gemma3-images": TEXT,
    "phi3": FUSED,
    "phi3-longrope": FUSED,
    "olmo2": LAYERS,
    "granite": LAYERS,
    "smollm3": LAYERS,
    "glm": GLM,
    "glm4": GLM,
    "cohere": LAYERS,
    "cohere2": LAYERS,
    "stablelm": LAYERS,
    "stablelm-parallel": LAYERS,
}


def write(name: str, seed: int) -> None:
    base = GOLDEN / "models" / name
    folder = GOLDEN / "model-lora" / name
    shutil.rmtree(folder, ignore_errors=True)
    deterministic(seed)
    plain = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    ids = random_ids(plain.config.get_text_config().vocab_size, (2, 19), seed + 1)
    with torch.no_grad():
        before = plain(input_ids=ids, use_cache=False).logits
    config = LoraConfig(r=2, lora_alpha=3, target_modules=CASES[name], task_type="CAUSAL_LM")
    model = get_peft_model(plain, config).eval()
    with torch.no_grad():
        for n, parameter in model.named_parameters():
            if "lora_" in n:
                parameter.copy_(0.2 * torch.randn(parameter.shape))
    for one in model.peft_config.values():
        one.base_model_name_or_path = f"../../models/{name}"
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink()
    for file in folder.iterdir():
        file.chmod(0o644)
    # In float64, rounded once: the files hold no noise.
    model.double()
    logits = model(input_ids=ids, use_cache=False).logits
    loss = next_token_loss(logits, ids)
    loss.backward()
    grads = {f"grad.{n.replace('.default', '')}": p.grad for n, p in model.named_parameters() if p.requires_grad}
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits.detach().float(), "loss": loss.detach().float()}
        | {n: g.float() for n, g in grads.items()},
    )
    print(f"{name}: effect {relative(logits.detach().float(), before):.3f} loss {float(loss.detach()):.4f} {len(grads)} tensors")


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        write(case, 700 + 10 * list(CASES).index(case))
