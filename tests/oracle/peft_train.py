"""A short LoRA run of torch + PEFT, and adapters that PEFT wrote, with the logits and merges PEFT gives.

    python tests/oracle/peft_train.py [train | variant ...]

Writes tests/golden/peft-train/:
  base/             tiny llama (3 layers), config.json + model.safetensors
  adapter-init/     the adapter as PEFT initialised it (r 4, alpha 8, all linear layers, B = 0)
  data.json         documents {inputIds, labels} and steps[step][microBatch] = [document, document].
                    Labels follow transformers: labels[t] belongs to inputIds[t], is predicted from inputIds[:t],
                    -100 is not trained; labels[0] is never trained, whatever it says.
  expected.json     the recipe and, per step, loss, lr, gradNorm (before clipping) and trained token count;
                    `noise`: largest relative distance to the same run in float64
  adapter-final/    the adapter after the last step
  adapter-<name>/   one folder per variant: adapter_config.json + adapter_model.safetensors as PEFT saves them,
                    expected.json {base, matched module names, versions} and expected.safetensors {input_ids int32,
                    logits of base + adapter, merged_logits and merged.<parameter> of merge_and_unload()}

The run: AdamW, cosine schedule with warm-up, clip_grad_norm_ 1.0, two micro-batches of two documents per step,
loss = sum over the window's trained tokens / their count. Each document goes through the model alone, so a packed
run must give the same numbers.
"""

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # PEFT saves sets as lists: fix their order
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import copy
import shutil
import warnings
from pathlib import Path

from common import (
    GOLDEN,
    deterministic,
    random_ids,
    randomise_small_parameters,
    relative,
    versions,
    write_json,
    write_tensors,
)

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, get_cosine_schedule_with_warmup
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore", message=".*(is_gradient_checkpointing|Could not find a config file).*")

OUT = GOLDEN / "peft-train"
LLAMA_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RECIPE = dict(
    steps=30,
    warmupSteps=3,
    learningRate=8e-3,
    betas=[0.9, 0.999],
    eps=1e-8,
    weightDecay=0.01,
    maxGradNorm=1.0,
    gradientAccumulation=2,
    documentsPerMicroBatch=2,
    rank=4,
    alpha=8,
)

# name: (base folder, relative to the adapter folder; config)
VARIANTS = {
    "b-nonzero": ("../base", lambda: LoraConfig(r=4, lora_alpha=8, target_modules=LLAMA_LINEAR)),
    "rslora": (
        "../base",
        lambda: LoraConfig(r=9, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj", "up_proj"]),
    ),
    "patterns": (
        "../base",
        lambda: LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=LLAMA_LINEAR,
            exclude_modules=["k_proj", "model.layers.2.mlp.up_proj"],
            layers_to_transform=[0, 2],
            # The first key that fits wins. PEFT saves with sorted keys, so keys that overlap are given sorted:
            # in any other order the saved adapter would not load again.
            rank_pattern={"layers.2.mlp.down_proj": 2, "mlp.down_proj": 3, "q_proj": 8},
            alpha_pattern={"v_proj": 20, r"layers\.\d+\.mlp\.gate_proj": 1.5},
        ),
    ),
    "regex": (
        "../base",
        lambda: LoraConfig(
            r=3,
            lora_alpha=5,
            target_modules=r".*\.(0|2)\.(self_attn\.(q|v)_proj|mlp\.down_proj)",
            exclude_modules=r".*\.2\..*v_proj",
        ),
    ),
    "gpt2": (
        "../../models/gpt2",
        lambda: LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True),
    ),
    "dora": (
        "../base",
        lambda: LoraConfig(r=4, lora_alpha=8, use_dora=True, target_modules=["q_proj", "k_proj", "down_proj"]),
    ),
}


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(
        folder.resolve(), attn_implementation="eager", dtype=torch.float32
    )


def save_adapter(model: PeftModel, folder: Path, base: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        file.chmod(0o644)


def make_base() -> None:
    deterministic(40)
    config = LlamaConfig(
        vocab_size=101,
        hidden_size=32,
        intermediate_size=44,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.12,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    randomise_small_parameters(model, 41)
    shutil.rmtree(OUT / "base", ignore_errors=True)
    model.save_pretrained(OUT / "base")
    (OUT / "base" / "generation_config.json").unlink(missing_ok=True)
    (OUT / "base" / "model.safetensors").chmod(0o644)


def make_data() -> dict:
    """Counting sequences, so that there is something to learn; every third document has a masked prompt."""
    generator = torch.Generator().manual_seed(42)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    documents = []
    for index in range(12):
        length, start, stride = draw(5, 22), draw(3, 60), draw(1, 5)
        ids = [1, *(3 + (start + stride * i) % 98 for i in range(length)), 2]
        labels = list(ids)
        if index % 3 == 2:
            masked = draw(2, length - 1)
            labels[:masked] = [-100] * masked
        documents.append({"inputIds": ids, "labels": labels})
    steps = []
    while len(steps) < RECIPE["steps"]:
        order = torch.randperm(len(documents), generator=generator).tolist()
        steps += [[order[i : i + 2], order[i + 2 : i + 4]] for i in range(0, len(order), 4)]
    return {"documents": documents, "steps": steps[: RECIPE["steps"]]}


def document_loss(model, document: dict) -> torch.Tensor:
    ids = torch.tensor([document["inputIds"]])
    labels = torch.tensor(document["labels"])
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return F.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum")


def train() -> None:
    make_base()
    data = make_data()
    write_json(OUT / "data.json", data)

    deterministic(43)
    config = LoraConfig(
        r=RECIPE["rank"],
        lora_alpha=RECIPE["alpha"],
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(load(OUT / "base"), config)
    save_adapter(model, OUT / "adapter-init", "../base")

    # The same run in float64 tells how far two correct float32 runs may drift apart.
    exact_model = copy.deepcopy(model).double()
    exact = run_steps(exact_model, data)
    history = run_steps(model, data, print_steps=True)
    save_adapter(model, OUT / "adapter-final", "../base")
    exact_state = dict(exact_model.named_parameters())
    noise = {
        key: max(abs(a[key] - b[key]) / abs(b[key]) for a, b in zip(history, exact)) for key in ("loss", "gradNorm")
    }
    noise["finalWeights"] = max(
        relative(p.detach(), exact_state[n].detach()) for n, p in model.named_parameters() if p.requires_grad
    )
    print(f"float32 against float64: {noise}")
    write_json(
        OUT / "expected.json",
        {
            "recipe": RECIPE,
            "trainableParameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "history": history,
            "noise": noise,
            "versions": versions(),
        },
    )


def run_steps(model, data: dict, print_steps: bool = False) -> list[dict]:
    documents = data["documents"]
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained,
        lr=RECIPE["learningRate"],
        betas=tuple(RECIPE["betas"]),
        eps=RECIPE["eps"],
        weight_decay=RECIPE["weightDecay"],
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, RECIPE["warmupSteps"], RECIPE["steps"])
    model.train()
    history = []
    for step in data["steps"]:
        tokens = sum(sum(l != -100 for l in documents[d]["labels"][1:]) for micro in step for d in micro)
        window = 0.0
        for micro in step:
            loss = sum(document_loss(model, documents[d]) for d in micro) / tokens
            loss.backward()
            window += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(trained, RECIPE["maxGradNorm"]))
        lr = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        history.append({"loss": window, "lr": lr, "gradNorm": norm, "tokens": tokens})
        if print_steps:
            print(f"step {len(history)} loss {window:.5f} lr {lr:.6f} norm {norm:.4f} tokens {tokens}")
    return history


def write_variant(name: str) -> None:
    base, make_config = VARIANTS[name]
    folder = OUT / f"adapter-{name}"
    seed = 100 + list(VARIANTS).index(name)
    deterministic(seed)
    config = make_config()
    config.task_type = "CAUSAL_LM"
    model = get_peft_model(load(folder / base), config)
    matched = list(model.base_model.targeted_module_names)
    with torch.no_grad():  # B starts at 0, which would make the adapter do nothing
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.copy_(0.2 * torch.randn(parameter.shape))
            elif "magnitude" in key:
                parameter.mul_(1 + 0.3 * torch.randn(parameter.shape))
    save_adapter(model, folder, base)

    # What counts is the adapter as PEFT reads it back from the folder.
    model = PeftModel.from_pretrained(load(folder / base), str(folder)).eval()
    vocab = model.config.vocab_size
    ids = random_ids(vocab, (2, 17), seed + 1000)
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits
        with model.disable_adapter():
            plain = model(input_ids=ids, use_cache=False).logits
        before = {k: v.clone() for k, v in load(folder / base).state_dict().items()}
        merged = model.merge_and_unload().eval()
        merged_logits = merged(input_ids=ids, use_cache=False).logits
    changed = {k: v for k, v in merged.state_dict().items() if not torch.equal(v, before[k])}
    assert len(changed) == len(matched), (len(changed), len(matched))
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits, "merged_logits": merged_logits}
        | {f"merged.{k}": v for k, v in changed.items()},
    )
    write_json(
        folder / "expected.json",
        {
            "base": base,
            "matched": matched,
            "effect": relative(logits, plain),
            "mergeError": relative(merged_logits, logits),
            "versions": versions(),
        },
    )
    print(f"{name}: {len(matched)} modules, effect {relative(logits, plain):.3f}, "
          f"merge error {relative(merged_logits, logits):.1e}")


if __name__ == "__main__":
    asked = sys.argv[1:] or ["train", *VARIANTS]
    for part in asked:
        train() if part == "train" else write_variant(part)
