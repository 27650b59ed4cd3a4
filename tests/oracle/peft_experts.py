"""LoRA on the experts of the mixtures in tests/golden/moe-models: in PEFT's layout of fused parameters, and in the older one of modules.

    python tests/oracle/peft_experts.py [case ...]

Writes tests/golden/peft-experts/<case>/:
  adapter_config.json, adapter_model.safetensors   `parameters`: as PEFT writes them. `modules`: a LoRA for each linear layer of each expert,
                                                   as PEFT wrote them before transformers 5; PEFT reads them still
  expected.safetensors   input_ids (2, T) int32; logits f32 with the adapter; loss (); grad.<name in the file> f32 (`parameters` only)
  expected.json          the base, how much the adapter changes the logits
"""

import json
import shutil
import sys

from common import (
    GOLDEN,
    deterministic,
    next_token_loss,
    relative,
    versions,
    without_machine,
    write_json,
    write_tensors,
)

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
CASES = {
    "mixtral-parameters": ("mixtral", dict(target_parameters=EXPERTS, target_modules=["q_proj"], r=3, lora_alpha=6)),
    "qwen3_moe-down": ("qwen3_moe", dict(target_parameters=["mlp.experts.down_proj"], target_modules=[], r=2, lora_alpha=5)),
    "gpt_oss-parameters": ("gpt_oss", dict(target_parameters=EXPERTS, target_modules=["v_proj"], r=2, lora_alpha=2, use_rslora=True)),
    "mixtral-modules": ("mixtral", dict(target_modules=["w1", "w2", "w3", "q_proj"], r=2, lora_alpha=4)),
    "qwen3_moe-modules": ("qwen3_moe", dict(target_modules=["gate_proj", "up_proj", "down_proj"], r=2, lora_alpha=4)),
}


def base_model(family: str):
    folder = GOLDEN / "moe-models" / family
    return AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", experts_implementation="eager", dtype=torch.float32
    ).eval()


def randomise(model, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def write_modules(folder, family: str, arguments: dict, seed: int) -> None:
    """By hand: today's PEFT cannot put a LoRA on modules that transformers has no more."""
    stored = load_file(GOLDEN / "moe-models" / family / "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, weight in stored.items():
        path = name.removesuffix(".weight")
        if weight.dim() != 2 or path.rsplit(".", 1)[-1] not in arguments["target_modules"]:
            continue
        out, width = weight.shape
        for part, shape in (("lora_A", (arguments["r"], width)), ("lora_B", (out, arguments["r"]))):
            tensors[f"base_model.model.{path}.{part}.weight"] = 0.3 * torch.randn(shape, generator=generator)
    folder.mkdir(parents=True)
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    config = LoraConfig(**arguments, task_type="CAUSAL_LM").to_dict()
    config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    config |= {"peft_type": "LORA", "task_type": "CAUSAL_LM", "inference_mode": True}
    write_json(folder / "adapter_config.json", config)


def write_case(name: str, index: int) -> None:
    family, arguments = CASES[name]
    deterministic(9000 + index)
    folder = GOLDEN / "peft-experts" / name
    shutil.rmtree(folder, ignore_errors=True)
    if name.endswith("modules"):
        write_modules(folder, family, arguments, 9100 + index)
    else:
        model = get_peft_model(base_model(family), LoraConfig(**arguments, task_type="CAUSAL_LM"))
        randomise(model, 9100 + index)
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        without_machine(folder / "adapter_config.json")

    ids = load_file(GOLDEN / "moe-models" / family / "expected.safetensors")["input_ids"].long()
    plain = base_model(family)(input_ids=ids, use_cache=False).logits.detach()
    model = PeftModel.from_pretrained(base_model(family), folder, is_trainable=True).eval()
    logits = model(input_ids=ids, use_cache=False).logits
    loss = next_token_loss(logits, ids)
    loss.backward()
    tensors = {"input_ids": ids.to(torch.int32), "logits": logits.detach(), "loss": loss.detach()}
    if not name.endswith("modules"):
        stored = load_file(folder / "adapter_model.safetensors")
        for key, parameter in model.named_parameters():
            if parameter.grad is None:
                continue
            key = key.replace(".default", "")
            assert key in stored and torch.equal(stored[key], parameter.detach()), key
            tensors[f"grad.{key}"] = parameter.grad
    write_tensors(folder / "expected.safetensors", tensors)
    effect = relative(logits.detach(), plain)
    write_json(folder / "expected.json", {"base": f"../../moe-models/{family}", "effect": effect, "versions": versions()})
    print(name, "effect", effect, sorted(load_file(folder / "adapter_model.safetensors"))[:4])
    config = json.loads((folder / "adapter_config.json").read_text())
    print({k: config[k] for k in ("target_modules", "target_parameters", "rank_pattern", "r", "lora_alpha")})


if __name__ == "__main__":
    names = list(CASES)
    for case in sys.argv[1:] or names:
        write_case(case, names.index(case))
