"""The LoRA family as PEFT computes it: DoRA, embeddings, head, tied pairs, lora_bias, starts that change the base, LoRA+.

    python tests/oracle/peft_lora.py [variant ...]

Writes tests/golden/peft-lora/<variant>/:
  adapter_config.json, adapter_model.safetensors   as PEFT saved it before training (B shaken, so that it does something)
  trained/                                         the same after training; of pissa and olora converted to a plain LoRA
  expected.json         base folder, targets, losses of 20 AdamW steps, lr, LoRA+ settings, effect, versions
  expected.safetensors  input_ids, logits before training, grad.<name>, trained_logits, merged.<weight>, merged_logits (before training)

Starts: start.safetensors has A, B and what is left of each weight as PEFT made them, for pissa, olora, loftq.
"""

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # PEFT saves sets as lists: fix their order
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import importlib.util
import shutil
import warnings
from pathlib import Path

from common import GOLDEN, deterministic, random_ids, relative, versions, write_json, write_tensors

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

OUT = GOLDEN / "peft-lora"
LLAMA, TIED, GPT2, BIASED = "../../peft-train/base", "../../models/llama", "../../models/gpt2", "../../models/llama-bias"
STEPS, LR = 20, 4e-3


def config(targets, **options):
    return lambda: LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": targets, "task_type": "CAUSAL_LM"} | options)


VARIANTS = {
    "dora": (LLAMA, config(["q_proj", "down_proj"], use_dora=True)),
    "dora-rslora": (LLAMA, config(["v_proj", "up_proj"], use_dora=True, use_rslora=True, rank_pattern={"v_proj": 2})),
    "dora-gpt2": (GPT2, config(["c_attn", "mlp.c_proj"], use_dora=True, fan_in_fan_out=True)),
    "dora-bias": (BIASED, config(["q_proj", "down_proj"], use_dora=True)),
    "dora-embedding": (LLAMA, config(["embed_tokens", "lm_head"], use_dora=True)),
    "embedding": (LLAMA, config(["embed_tokens", "k_proj"])),
    "head": (LLAMA, config(["lm_head", "o_proj"])),
    "pair": (TIED, config(["embed_tokens", "lm_head"])),
    "tied": (TIED, config(["embed_tokens", "q_proj"], ensure_weight_tying=True)),
    "tied-regex": (TIED, config(r".*lm_head", ensure_weight_tying=True)),
    "lora-bias": (BIASED, config(["q_proj", "gate_proj"], lora_bias=True)),
    "pissa": (LLAMA, config(["q_proj", "down_proj"], init_lora_weights="pissa")),
    "pissa-rslora": (LLAMA, config(["v_proj", "up_proj"], init_lora_weights="pissa", use_rslora=True)),
    "pissa-gpt2": (GPT2, config(["c_attn", "mlp.c_proj"], init_lora_weights="pissa", fan_in_fan_out=True)),
    "olora": (LLAMA, config(["q_proj", "gate_proj"], init_lora_weights="olora")),
    "loftq": (LLAMA, config(["q_proj", "down_proj"], init_lora_weights="loftq", lora_alpha=4,
                            loftq_config={"loftq_bits": 4, "loftq_iter": 2})),
    "loraplus": (LLAMA, config(["embed_tokens", "q_proj"])),
    "layers": (LLAMA, config(["q_proj"], layers_to_transform=[1], layers_pattern=["layers"])),
}
LORAPLUS = {"loraplus_lr_ratio": 8.0, "loraplus_lr_embedding": 2e-2}


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder.resolve(), attn_implementation="eager", dtype=torch.float32)


def clean(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.name == "README.md":
            file.unlink()
        elif file.is_file():
            file.chmod(0o644)


def short(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(".default", "").removesuffix("_vector.weight") + (
        "_vector" if name.endswith("_vector.default.weight") else ""
    )


def run_loss(model, ids):
    logits = model(input_ids=ids, use_cache=False).logits
    return logits, F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def exact_starts() -> None:
    """PEFT's starts as they are meant: loftq_init moves everything to a GPU, and singular vectors are those of f32."""
    import bitsandbytes as bnb
    from peft.tuners.lora import layer as module
    from peft.utils import loftq_utils

    def loftq_init(weight, num_bits, reduced_rank, num_iter=1):
        weight = weight.detach().float()
        res = weight.clone()
        for i in range(num_iter):
            if num_bits == 8:
                codes, absmax, _ = bnb.functional.int8_vectorwise_quant(res)
                dequantized = bnb.functional.int8_vectorwise_dequant(codes, absmax)
                found = loftq_utils._low_rank_decomposition(weight - dequantized, reduced_rank=reduced_rank)
                res = weight - found["L"] @ found["R"]
                continue
            packed, state = bnb.functional.quantize_4bit(res, blocksize=64, quant_type="nf4", compress_statistics=False)
            # dequantize_4bit of bitsandbytes 0.50.2 is wrong on the CPU for tensors of fewer than 64 blocks.
            codes = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], 1).flatten().long()
            dequantized = (state.code[codes].view(-1, 64) * state.absmax.view(-1, 1)).view(res.shape)
            found = loftq_utils._low_rank_decomposition(weight - dequantized, reduced_rank=reduced_rank)
            res = weight - found["L"] @ found["R"]
        return dequantized, found["R"], found["L"]

    module.loftq_init = loftq_init
    svd = torch.linalg.svd  # in f64: what an f32 SVD is off by is not what is compared
    torch.linalg.svd = lambda matrix, **options: tuple(part.to(matrix.dtype) for part in svd(matrix.double(), **options))
    find_spec = importlib.util.find_spec  # PEFT asks for scipy, and does not use it
    importlib.util.find_spec = lambda name, *rest: True if name == "scipy" else find_spec(name, *rest)


def write(name: str) -> None:
    base, make = VARIANTS[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 700 + list(VARIANTS).index(name)
    deterministic(seed)
    model = get_peft_model(load(folder / base), make())
    matched = [n.removesuffix(".base_layer") for n, _ in model.base_model.model.named_modules() if n.endswith(".base_layer")]
    changes_base = make().init_lora_weights in ("pissa", "olora", "loftq")
    if changes_base:
        start = {}
        for n, p in model.named_parameters():
            if "lora_" in n or "base_layer.weight" in n:
                start[n.removeprefix("base_model.model.").replace(".default", "")] = p.detach().clone()
        write_tensors(folder / "start.safetensors", start)
        if name.startswith(("pissa", "olora")):
            initial = folder / "initial"
            kept = {n: c.init_lora_weights for n, c in model.peft_config.items()}
            for c in model.peft_config.values():
                c.init_lora_weights = True
            model.save_pretrained(str(initial))
            for n, c in model.peft_config.items():
                c.init_lora_weights = kept[n]
    done = set()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if not p.requires_grad or p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            if "lora_B" in n or "embedding_A" in n:
                p.add_(0.1 * torch.randn(p.shape) if not changes_base else 0.02 * torch.randn(p.shape))
            elif "magnitude" in n:
                p.mul_(1 + 0.2 * torch.randn(p.shape))
    for c in model.peft_config.values():
        c.base_model_name_or_path = base
    # The default, which stores embeddings that are targets, in one variant; the others stay small.
    model.save_pretrained(str(folder), save_embedding_layers="auto" if name == "pair" else False)

    model.eval()
    ids = random_ids(model.config.vocab_size, (3, 12), seed + 1000)
    logits, loss = run_loss(model, ids)
    loss.backward()
    grads = {f"grad.{short(n)}": p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with torch.no_grad():
        plain = load(folder / base)(input_ids=ids, use_cache=False).logits

    # An adapter that changes the base is merged from its files: merging goes into the base for good.
    again = PeftModel.from_pretrained(load(folder / base), str(folder)).eval()
    before = {k: v.clone() for k, v in load(folder / base).state_dict().items()}
    with torch.no_grad():
        read_back = again(input_ids=ids, use_cache=False).logits
        merged = again.merge_and_unload().eval()
        merged_logits = merged(input_ids=ids, use_cache=False).logits
    changed = {f"merged.{k}": v for k, v in merged.state_dict().items() if not torch.equal(v, before[k])}
    if name in ("pair", "tied", "tied-regex"):  # PEFT merges both into the one weight that the two share: not what the adapter gives
        changed = {}
    assert relative(read_back, logits.detach()) < 1e-5, relative(read_back, logits.detach())

    trained = [p for p in model.parameters() if p.requires_grad]
    if name == "loraplus":
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=LR, eps=1e-8, **LORAPLUS)
    else:
        optimizer = torch.optim.AdamW(trained, lr=LR, weight_decay=0.0)
    losses = []
    model.train()
    steps = 0 if name.startswith("tied") else STEPS
    for _ in range(steps):
        optimizer.zero_grad()
        _, loss = run_loss(model, ids)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    model.eval()
    with torch.no_grad():
        trained_logits = model(input_ids=ids, use_cache=False).logits
    if steps:
        options = {}
        if name.startswith(("pissa", "olora")):
            options["path_initial_model_for_weight_conversion"] = str(folder / "initial")
        try:
            model.save_pretrained(str(folder / "trained"), save_embedding_layers=False, **options)
        except Exception as error:  # PEFT cannot always convert what it trained
            print(f"{name}: PEFT cannot save the trained adapter: {error!r}")
            shutil.rmtree(folder / "trained", ignore_errors=True)
    shutil.rmtree(folder / "initial", ignore_errors=True)
    clean(folder)
    write_tensors(
        folder / "expected.safetensors",
        {
            "input_ids": ids.to(torch.int32),
            "logits": logits.detach(),
            "trained_logits": trained_logits,
            "merged_logits": merged_logits,
        }
        | grads
        | changed,
    )
    write_json(
        folder / "expected.json",
        {
            "base": base,
            "matched": matched,
            "losses": losses,
            "learningRate": LR,
            "loraplus": LORAPLUS if name == "loraplus" else None,
            "effect": relative(logits.detach(), plain),
            "mergeError": relative(merged_logits, logits.detach()),
            "versions": versions(),
        },
    )
    print(
        f"{name}: {len(matched)} modules, effect {relative(logits.detach(), plain):.3f}, merge error "
        f"{relative(merged_logits, logits.detach()):.1e}, losses {losses[:1]} … {losses[-1:]}"
    )


def write_eva() -> None:
    """What initialize_lora_eva_weights puts into A, without moving ranks; every fifth token does not count."""
    from peft import EvaConfig
    from peft.tuners.lora.eva import get_eva_state_dict

    folder = OUT / "eva"
    shutil.rmtree(folder, ignore_errors=True)
    deterministic(790)
    made = config(["q_proj", "k_proj", "down_proj", "lm_head"], r=3, init_lora_weights="eva", eva_config=EvaConfig(rho=1.0))()
    model = get_peft_model(load(folder / LLAMA), made)
    batches = [random_ids(model.config.vocab_size, (4, 24), 791 + i) for i in range(40)]
    labels = [ids.masked_fill(torch.arange(24) % 5 == 2, -100) for ids in batches]
    loader = [{"input_ids": i, "labels": l, "attention_mask": torch.ones_like(i)} for i, l in zip(batches, labels)]
    found = get_eva_state_dict(model, loader, show_progress_bar=False)
    write_tensors(
        folder / "expected.safetensors",
        {"batches": torch.stack(batches).to(torch.int32)} | {n.removeprefix("base_model.model."): a.clone() for n, a in found.items()},
    )
    print(f"eva: {len(found)} layers")


if __name__ == "__main__":
    exact_starts()
    for part in sys.argv[1:] or [*VARIANTS, "eva"]:
        write_eva() if part == "eva" else write(part)
