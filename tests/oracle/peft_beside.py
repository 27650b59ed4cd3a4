"""What PEFT trains beside a LoRA: modules_to_save, trainable_token_indices, biases, embeddings that were resized. Writes tests/golden/peft-beside.

    python tests/oracle/peft_beside.py [name…]

<name>/adapter_config.json, adapter_model.safetensors   as PEFT saves them
<name>/expected.safetensors   input_ids; logits; grad.<name in the file>
<name>/expected.json          base, loss, vocabulary when it was resized
"""

import shutil
import sys
import warnings
from pathlib import Path

from common import GOLDEN, deterministic, random_ids, relative, versions, write_json, write_tensors

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

OUT = GOLDEN / "peft-beside"
LLAMA, TIED, BIASED = "../../peft-train/base", "../../models/llama", "../../models/llama-bias"
GPT2, QWEN3 = "../../models/gpt2", "../../models/qwen3"
TOKENS = [3, 7, 11]

VARIANTS = {
    "modules": (LLAMA, dict(target_modules=["q_proj"], modules_to_save=["lm_head", "norm"])),
    "modules-block": (LLAMA, dict(target_modules=["q_proj"], modules_to_save=["layers.1.mlp"])),
    "modules-qwen3": (QWEN3, dict(target_modules=["v_proj"], modules_to_save=["q_norm", "k_norm"])),
    "modules-gpt2": (GPT2, dict(target_modules=["c_attn"], modules_to_save=["ln_f", "mlp.c_fc"], fan_in_fan_out=True)),
    "modules-tied-embedding": (GPT2, dict(target_modules=["c_attn"], modules_to_save=["wte"], fan_in_fan_out=True)),
    "modules-tied-both": (GPT2, dict(target_modules=["c_attn"], modules_to_save=["wte", "lm_head"], fan_in_fan_out=True)),
    "modules-tied-ensured": (TIED, dict(target_modules=["q_proj"], modules_to_save=["lm_head"], ensure_weight_tying=True)),
    # PEFT knows no tied pair by the name `wte`.
    "modules-tied-wte": (
        GPT2,
        dict(target_modules=["c_attn"], modules_to_save=["wte"], fan_in_fan_out=True, ensure_weight_tying=True),
    ),
    "tokens": (LLAMA, dict(target_modules=["q_proj"], trainable_token_indices=TOKENS)),
    "tokens-both": (
        LLAMA,
        dict(target_modules=["q_proj"], trainable_token_indices={"embed_tokens": TOKENS, "lm_head": [7, 1]}),
    ),
    "tokens-tied": (GPT2, dict(target_modules=["c_attn"], trainable_token_indices=TOKENS, fan_in_fan_out=True)),
    "bias-all": (BIASED, dict(target_modules=["q_proj", "o_proj"], bias="all")),
    "bias-lora-only": (BIASED, dict(target_modules=["q_proj", "down_proj"], bias="lora_only")),
    "bias-all-gpt2": (GPT2, dict(target_modules=["c_attn"], bias="all", fan_in_fan_out=True)),
    "resized-tokens": (LLAMA, dict(target_modules=["q_proj"], trainable_token_indices=[-3, -2, -1])),
    "resized-plain": (LLAMA, dict(target_modules=["q_proj"])),
    "embedding-saved": (LLAMA, dict(target_modules=["q_proj", "embed_tokens"])),
    "resized-modules": (LLAMA, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])),
}


def load(folder: Path, rows: int | None = None):
    model = AutoModelForCausalLM.from_pretrained(folder.resolve(), attn_implementation="eager", dtype=torch.float32)
    if rows is not None:
        torch.manual_seed(7)
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def shake(model) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape))


def write(name: str) -> None:
    base, fields = VARIANTS[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 700 + list(VARIANTS).index(name)
    deterministic(seed)
    vocabulary = load(folder / base).config.vocab_size
    rows = vocabulary + 3 if name.startswith("resized") else None
    tokens = fields.get("trainable_token_indices")
    if tokens is not None and rows is not None:
        fields = fields | {"trainable_token_indices": [rows + i for i in tokens]}
    deterministic(seed)
    model = get_peft_model(load(folder / base, rows), LoraConfig(r=3, lora_alpha=6, task_type="CAUSAL_LM", **fields))
    deterministic(seed)
    shake(model)
    for config in model.peft_config.values():
        config.base_model_name_or_path = str((folder / base).resolve())
    model.save_pretrained(str(folder), save_embedding_layers="auto" if rows or name == "embedding-saved" else False)
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace(str((folder / base).resolve()), base))
    for file in folder.iterdir():
        file.chmod(0o644)

    model = PeftModel.from_pretrained(load(folder / base, rows), str(folder), is_trainable=True).eval()
    ids = random_ids(rows or vocabulary, (2, 9), seed + 1000)
    ids[0, 2:5] = torch.tensor(TOKENS)
    if rows:
        ids[1, 3:6] = torch.tensor([rows - 1, rows - 3, rows - 2])
    logits = model(input_ids=ids, use_cache=False).logits
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    saved = {}  # tied tensors have two names: the embedding's counts
    for n, t in sorted(get_peft_model_state_dict(model, save_embedding_layers=False).items(), reverse=True):
        saved.setdefault(t.data_ptr(), n)
    grads = {}
    for n, p in model.named_parameters():
        if p.requires_grad and p.grad is not None:
            grads[f"grad.{saved[p.data_ptr()]}"] = p.grad.clone()
    with torch.no_grad():
        plain = load(folder / base, rows)(input_ids=ids, use_cache=False).logits
    write_tensors(
        folder / "expected.safetensors", {"input_ids": ids.to(torch.int32), "logits": logits.detach()} | grads
    )
    write_json(
        folder / "expected.json",
        {
            "base": base,
            "loss": float(loss.detach()),
            "vocabulary": rows,
            "effect": relative(logits.detach(), plain),
            "versions": versions(),
        },
    )
    print(f"{name}: effect {relative(logits.detach(), plain):.3f}, loss {float(loss.detach()):.4f}, {len(grads)} gradients")


if __name__ == "__main__":
    for part in sys.argv[1:] or VARIANTS:
        write(part)
