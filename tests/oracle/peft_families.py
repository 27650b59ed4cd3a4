"""Adapters of other shapes than LoRA on linear layers, as PEFT computes them: writes tests/golden/peft-families.

    python tests/oracle/peft_families.py [name…]

prompt, prefix: of the whole model, on the llama of peft-train and on gpt2; loss and gradient of the virtual tokens, greedy ids.
head, embedding: LoRA on the output head and on the token embedding. pair: two LoRAs active at once.
p-tuning…, prefix-projection: what is trained is an encoder, whose tensors are `encoder.…` of expected.safetensors; the file has what it gives.
"""

import shutil
import sys
import warnings
from pathlib import Path

from common import GOLDEN, deterministic, random_ids, relative, versions, write_json, write_tensors

import torch
import torch.nn.functional as F
from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

OUT = GOLDEN / "peft-families"
LLAMA, GPT2 = "../../peft-train/base", "../../models/gpt2"
TASK = "CAUSAL_LM"

VARIANTS = {
    "prompt": (LLAMA, lambda: PromptTuningConfig(num_virtual_tokens=5, task_type=TASK)),
    "prompt-gpt2": (GPT2, lambda: PromptTuningConfig(num_virtual_tokens=3, task_type=TASK)),
    "prefix": (LLAMA, lambda: PrefixTuningConfig(num_virtual_tokens=4, task_type=TASK)),
    "prefix-gpt2": (GPT2, lambda: PrefixTuningConfig(num_virtual_tokens=3, task_type=TASK)),
    "head": (LLAMA, lambda: LoraConfig(r=4, lora_alpha=8, target_modules=["lm_head", "q_proj"], task_type=TASK)),
    "embedding": (LLAMA, lambda: LoraConfig(r=4, lora_alpha=8, target_modules=["embed_tokens"], task_type=TASK)),
    "pair": (LLAMA, lambda: LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type=TASK)),
    "p-tuning": (LLAMA, lambda: PromptEncoderConfig(num_virtual_tokens=5, encoder_hidden_size=12, task_type=TASK)),
    "p-tuning-lstm": (
        LLAMA,
        lambda: PromptEncoderConfig(
            num_virtual_tokens=4, encoder_reparameterization_type="LSTM", encoder_hidden_size=7, task_type=TASK
        ),
    ),
    "prefix-projection": (
        LLAMA,
        lambda: PrefixTuningConfig(num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=10, task_type=TASK),
    ),
}


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder.resolve(), attn_implementation="eager", dtype=torch.float32)


def shake(model, scale: float = 0.3) -> None:
    """Fresh adapters do little or nothing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_A" in name or "lora_embedding_B" in name or not parameter.requires_grad:
                continue
            parameter.copy_(scale * torch.randn(parameter.shape))


def write(name: str) -> None:
    base, make = VARIANTS[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 300 + list(VARIANTS).index(name)
    deterministic(seed)
    model = get_peft_model(load(folder / base), make())
    shake(model)
    if name == "pair":
        model.add_adapter("second", LoraConfig(r=3, lora_alpha=9, target_modules=["q_proj", "v_proj"]))
        model.set_adapter("second")
        shake(model)
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(str(folder), save_embedding_layers=False)
    for file in folder.rglob("README.md"):
        file.unlink()
    for file in folder.rglob("*.*"):
        file.chmod(0o644)

    if name == "pair":
        model.base_model.set_adapter(["default", "second"])
    model.eval()
    ids = random_ids(model.config.vocab_size, (2, 11), seed + 1000)
    logits = model(input_ids=ids, use_cache=False).logits if "prefix" not in name else model(input_ids=ids).logits
    logits = logits[:, -ids.shape[1] :]
    with torch.no_grad():
        plain = load(folder / base)(input_ids=ids, use_cache=False).logits
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}
    short = {}
    encoder = name.startswith("p-tuning") or name == "prefix-projection"
    if encoder:
        values = {n.removeprefix("prompt_encoder.default."): p for n, p in model.named_parameters() if p.requires_grad}
        short |= {f"encoder.{n}": p.detach() for n, p in values.items()} | {f"grad.{n}": p.grad for n, p in values.items()}
    for n, g in grads.items():
        if encoder:
            continue
        if n.startswith("prompt_encoder"):
            short["grad.prompt_embeddings"] = g
        elif "lm_head" in n or "embed_tokens" in n:
            short["grad." + n.removeprefix("base_model.model.").replace(".default", "")] = g
    greedy = []
    if name.startswith(("prompt", "prefix", "p-tuning")):
        now = ids[:1]
        for _ in range(8):
            with torch.no_grad():
                now = torch.cat([now, model(input_ids=now).logits[:, -1:].argmax(-1)], 1)
        greedy = now[0, ids.shape[1] :].tolist()
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits.detach()} | short,
    )
    write_json(
        folder / "expected.json",
        {
            "base": base,
            "loss": float(loss.detach()),
            "greedy": greedy,
            "effect": relative(logits.detach(), plain),
            "versions": versions(),
        },
    )
    print(f"{name}: effect {relative(logits.detach(), plain):.3f}, loss {float(loss.detach()):.4f}, {sorted(short)}, {greedy}")


if __name__ == "__main__":
    for part in sys.argv[1:] or VARIANTS:
        write(part)
