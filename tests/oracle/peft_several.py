"""Several adapters on one model, as PEFT has them: writes tests/golden/peft-several.

    python tests/oracle/peft_several.py [another folder]

Three LoRAs (a, b of rank 4 on modules that overlap in part, c of rank 3 with rsLoRA) on the llama of peft-train, saved as PEFT saves them. Then
rows of a batch through adapters of their own, greedy generation by `adapter_names`, add_weighted_adapter by every method, merging in memory.

DARE draws its mask from torch; here a mask that the tests can make again stands in for it: keep element i of n where
((i * 2654435761 + n) mod 2^32) / 2^32 < density.
"""

import shutil
import sys
import warnings
from pathlib import Path

from common import GOLDEN, deterministic, random_ids, relative, versions, write_json, write_tensors

import torch
import peft.utils.merge_utils as merge_utils
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

OUT = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else GOLDEN / "peft-several"
BASE = str(GOLDEN / "peft-train/base") if len(sys.argv) > 1 else "../peft-train/base"
TASK = "CAUSAL_LM"

CONFIGS = {
    "a": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    "b": dict(r=4, lora_alpha=2, target_modules=["q_proj", "down_proj"]),
    "c": dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"], use_rslora=True),
}

# name: adapters with weights, and the arguments of add_weighted_adapter
METHODS = {
    "linear": ({"a": 0.7, "b": 0.4}, dict(combination_type="linear")),
    "linear-negative": ({"a": 1.0, "b": -0.5}, dict(combination_type="linear")),
    "single": ({"c": 0.5}, dict(combination_type="svd")),
    "cat": ({"a": 0.7, "b": -0.4, "c": 0.5}, dict(combination_type="cat")),
    "svd": ({"a": 0.7, "b": 0.4, "c": 0.5}, dict(combination_type="svd")),
    "svd-rank": ({"a": 1.0, "b": -1.0}, dict(combination_type="svd", svd_rank=2)),
    "ties": ({"a": 0.7, "b": 0.4}, dict(combination_type="ties", density=0.5)),
    "ties-frequency": (
        {"a": 0.7, "b": 0.4},
        dict(combination_type="ties", density=0.8, majority_sign_method="frequency"),
    ),
    "ties_svd": ({"a": 0.7, "b": 0.4, "c": 0.5}, dict(combination_type="ties_svd", density=0.3)),
    "ties_svd-frequency": (
        {"a": 0.7, "b": 0.4, "c": 0.5},
        dict(combination_type="ties_svd", density=0.7, majority_sign_method="frequency", svd_rank=5),
    ),
    "dare_linear": ({"a": 0.7, "b": 0.4}, dict(combination_type="dare_linear", density=0.6)),
    "dare_ties": ({"a": 0.7, "b": 0.4}, dict(combination_type="dare_ties", density=0.6)),
    "dare_linear_svd": ({"a": 0.7, "c": 0.4}, dict(combination_type="dare_linear_svd", density=0.6)),
    "dare_ties_svd": ({"a": 0.7, "c": 0.4}, dict(combination_type="dare_ties_svd", density=0.6)),
    "magnitude_prune": ({"a": 0.7, "b": 0.4}, dict(combination_type="magnitude_prune", density=0.33)),
    "magnitude_prune_svd": ({"a": 0.7, "c": 0.4}, dict(combination_type="magnitude_prune_svd", density=0.33)),
}

ROWS = ["a", "__base__", "b", "a", "c"]


def masked_pruning(tensor, density, rescale):
    n = tensor.numel()
    index = torch.arange(n, dtype=torch.int64)
    keep = ((index * 2654435761 + n) % 2**32).double() / 2**32 < density
    pruned = tensor * keep.reshape(tensor.shape).to(tensor.dtype)
    return pruned / density if rescale else pruned


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder.resolve(), attn_implementation="eager", dtype=torch.float32)


def logits_of(model, ids, **kwargs):
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False, **kwargs).logits


def change_of(model, name):
    """ΔW of one layer, by module: U·S·V of an SVD may have other signs, their product has not."""
    return {
        path.removeprefix("base_model.model."): module.get_delta_weight(name)
        for path, module in model.named_modules()
        if hasattr(module, "lora_A") and name in module.lora_A and ".layers.1." in path
    }


def main() -> None:
    merge_utils.random_pruning = masked_pruning
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    deterministic(4100)
    model = None
    for name, fields in CONFIGS.items():
        config = LoraConfig(**fields, task_type=TASK, init_lora_weights=False)
        if model is None:
            model = get_peft_model(load(OUT / BASE), config, adapter_name=name)
        else:
            model.add_adapter(name, config)
    generator = torch.Generator().manual_seed(4101)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator))
    for config in model.peft_config.values():
        config.base_model_name_or_path = BASE
    model.save_pretrained(str(OUT), save_embedding_layers=False)
    for file in OUT.rglob("README.md"):
        file.unlink()
    for file in OUT.rglob("*.*"):
        file.chmod(0o644)
    model.eval()
    ids = random_ids(model.config.vocab_size, (len(ROWS), 9), 4102)
    tensors = {"input_ids": ids.to(torch.int32)}
    info = {"base": BASE, "rows": ROWS, "methods": {}, "versions": versions()}

    tensors["rows"] = logits_of(model, ids, adapter_names=ROWS)
    with model.disable_adapter():
        tensors["base"] = logits_of(model, ids[:1])
    model.base_model.set_adapter(["a", "c"])
    tensors["pair"] = logits_of(model, ids[:1])
    before = {k: v.clone() for k, v in model.state_dict().items() if "base_layer.weight" in k}
    model.merge_adapter(safe_merge=True)
    tensors["pair_merged"] = logits_of(model, ids[:1])
    model.unmerge_adapter()
    info["unmerge_error"] = max(relative(v, before[k]) for k, v in model.state_dict().items() if k in before)
    model.base_model.set_adapter("a")

    greedy = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        adapter_names=ROWS,
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    info["greedy"] = greedy[:, ids.shape[1] :].tolist()

    for name, (weights, arguments) in METHODS.items():
        model.add_weighted_adapter(list(weights), list(weights.values()), name, **arguments)
        config = model.peft_config[name]
        rslora = config.use_rslora
        for module in model.modules():  # PEFT keeps use_rslora of the first adapter, and so scales the result by √r
            if hasattr(module, "lora_A") and name in module.scaling:
                module.scaling[name] = 1.0
        model.base_model.set_adapter(name)
        for path, change in change_of(model, name).items():
            tensors[f"{name}.{path}"] = change
        tensors[f"{name}.logits"] = logits_of(model, ids[:1])
        info["methods"][name] = {
            "weights": weights,
            "arguments": arguments,
            "rank": config.r,
            "alpha": config.lora_alpha,
            "targets": sorted(config.target_modules),
            "rslora": rslora,
            "effect": relative(tensors[f"{name}.logits"], tensors["base"]),
        }
        print(f"{name}: rank {config.r}, effect {info['methods'][name]['effect']:.3f}, rsLoRA {rslora}")
        model.delete_adapter(name)
    write_tensors(OUT / "expected.safetensors", tensors)
    write_json(OUT / "expected.json", info)
    print("greedy", info["greedy"], "unmerge", info["unmerge_error"])


if __name__ == "__main__":
    main()
