"""All methods of PEFT on a tiny random llama, for `bun run oracle peft` and for the goldens of the tests.

    python tests/oracle/peft_methods.py write <folder> [variant…]    everything that the oracle compares with
    python tests/oracle/peft_methods.py golden [variant…]            a small part of it, into tests/golden/peft-methods
    python tests/oracle/peft_methods.py read <cases.json>            loads folders that tritune wrote
    python tests/oracle/peft_methods.py list

write: <folder>/<variant>/ with adapter_config.json and adapter_model.safetensors as PEFT saves them, all trained values
shaken (a fresh adapter does nothing, which would hide faults), and
    expected.safetensors  input_ids i32, logits, batches i32 (steps, rows, length), grad.<name in the file>,
                          merged.<weight> of those that merge_and_unload() changes, encoder.<name> where the file does
                          not hold what is trained (p-tuning)
    trained/              the adapter after those steps
    expected.json         variant, base, losses of STEPS steps of AdamW from that adapter, loss and effect before them
golden: the same for fewer steps and with two of the merged weights; trained/ only where training trims what is saved.

cases.json: [{"folder", "base"}]; in each folder lie an adapter and ids.json. Writes peft.safetensors {logits} and prints one JSON
line for each: {"folder", "missing", "unexpected"}, or {"folder", "error"}.

A method is one row of VARIANTS. Gradients have the names of the file: a parameter and what is saved of it share their memory.
"""

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # PEFT saves sets as lists: fix their order
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from peft_lora import exact_starts
from common import GOLDEN, deterministic, random_ids, relative, versions, write_json, write_tensors

import peft
import torch
import torch.nn.functional as F
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.boft import layer as boft_layer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

BASE = GOLDEN / "peft-train" / "base"
TIED = GOLDEN / "models" / "llama"
BIASED = GOLDEN / "models" / "llama-bias"
GPT2 = GOLDEN / "models" / "gpt2"
OUT = GOLDEN / "peft-methods"
STEPS, GOLDEN_STEPS, ROWS, LENGTH = 20, 4, 2, 9
LEARNING_RATE, WEIGHT_DECAY = 5e-3, 0.01
FEW = ["q_proj", "v_proj", "down_proj"]
TASK = "CAUSAL_LM"
STAGED = ["q_proj", "v_proj"]  # their inputs are a multiple of 16


class BlockDiagonals:
    """What PEFT's CUDA extension for BOFT computes; without one PEFT takes a butterfly of one stage, whatever was asked for."""

    @staticmethod
    def forward(blocks: torch.Tensor) -> list[torch.Tensor]:
        return [torch.stack([torch.block_diag(*factor) for factor in blocks])]

    @staticmethod
    def backward(grad: torch.Tensor, blocks: torch.Tensor) -> list[torch.Tensor]:
        factors, count, size, _ = blocks.shape
        found = [[grad[i, j * size : (j + 1) * size, j * size : (j + 1) * size] for j in range(count)] for i in range(factors)]
        return [torch.stack([torch.stack(one) for one in found])]


boft_layer._FBD_CUDA = BlockDiagonals


@dataclass(frozen=True)
class Variant:
    """`config` names a class of PEFT and its fields; targets are FEW unless they say others (None: of the whole model)."""

    config: Callable[[], "peft.PeftConfig"]
    base: Path = BASE
    shake: float = 0.2
    merges: bool = True
    golden: bool = True


def of(kind: str, *, base: Path = BASE, shake: float = 0.2, merges: bool = True, golden: bool = True, **fields) -> Variant:
    def config():
        targets = {} if fields.get("target_modules", FEW) is None else {"target_modules": FEW}
        given = {k: v for k, v in fields.items() if k != "target_modules" or v is not None}
        return getattr(peft, kind)(task_type=TASK, **{**targets, **given})

    return Variant(config, base, shake, merges, golden)


def prompt(kind: str, **fields) -> Variant:
    return of(kind, target_modules=None, merges=False, num_virtual_tokens=4, **fields)


VARIANTS: dict[str, Variant] = {
    "lora": of("LoraConfig", r=3, lora_alpha=6),
    "lora-patterns": of(
        "LoraConfig",
        r=3,
        lora_alpha=6,
        layers_to_transform=[0, 2],
        rank_pattern={"q_proj": 2},
        alpha_pattern={"v_proj": 9},
    ),
    "lora-bias": of("LoraConfig", base=BIASED, r=3, lora_alpha=6, lora_bias=True),
    "lora-embedding": of("LoraConfig", r=3, lora_alpha=6, target_modules=["embed_tokens", "v_proj"]),
    "lora-head": of("LoraConfig", r=3, lora_alpha=6, target_modules=["lm_head", "v_proj"]),
    "lora-gpt2": of("LoraConfig", base=GPT2, r=3, lora_alpha=6, fan_in_fan_out=True, target_modules=["c_attn"]),
    "rslora": of("LoraConfig", r=5, lora_alpha=6, use_rslora=True),
    "dora": of("LoraConfig", r=3, lora_alpha=6, use_dora=True),
    "pissa": of("LoraConfig", r=3, lora_alpha=6, init_lora_weights="pissa"),
    "olora": of("LoraConfig", r=3, lora_alpha=6, init_lora_weights="olora"),
    "orthogonal": of("LoraConfig", r=4, lora_alpha=6, init_lora_weights="orthogonal"),
    "adalora": of("AdaLoraConfig", init_r=4, target_r=2, lora_alpha=6, tinit=2, tfinal=4, deltaT=3, total_step=STEPS),
    "ia3": of("IA3Config", target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "ia3-gpt2": of(
        "IA3Config", base=GPT2, fan_in_fan_out=True, target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"]
    ),
    "loha": of("LoHaConfig", r=3, alpha=6),
    "loha-patterns": of(
        "LoHaConfig",
        r=3,
        alpha=6,
        layers_to_transform=[1],
        rank_pattern={"q_proj": 2},
        alpha_pattern={"down_proj": 9},
    ),
    "lokr": of("LoKrConfig", r=3, alpha=6),
    "lokr-full": of("LoKrConfig", r=64, alpha=64),
    "lokr-decomposed": of("LoKrConfig", r=2, alpha=4, decompose_both=True, decompose_factor=8),
    "lokr-lycoris": of("LoKrConfig", r=2, alpha=4, init_weights="lycoris", rank_pattern={"v_proj": 1}),
    "oft": of("OFTConfig", oft_block_size=4),
    "oft-cayley": of("OFTConfig", oft_block_size=4, use_cayley_neumann=False),
    "oft-coft": of("OFTConfig", oft_block_size=4, coft=True, eps=0.4, use_cayley_neumann=False),
    "oft-share": of("OFTConfig", oft_block_size=4, block_share=True),
    "oft-r": of("OFTConfig", r=4, oft_block_size=0, target_modules=["q_proj", "down_proj"]),
    "boft": of("BOFTConfig", boft_block_size=4),
    "boft-stages": of("BOFTConfig", boft_block_size=4, boft_n_butterfly_factor=3, target_modules=STAGED),
    "boft-num": of("BOFTConfig", boft_block_size=0, boft_block_num=4, boft_n_butterfly_factor=2, target_modules=STAGED),
    "vera": of("VeraConfig", r=6, d_initial=0.1, projection_prng_key=17),
    "vera-unsaved": of("VeraConfig", r=6, projection_prng_key=0xDEADBEEF, save_projection=False),
    "miss": of("MissConfig", r=6),
    "miss-bat": of("MissConfig", r=4, init_weights="bat"),
    "miss-mini": of("MissConfig", r=4, mini_r=8, init_weights="mini"),
    "prompt": prompt("PromptTuningConfig"),
    "prefix": prompt("PrefixTuningConfig"),
    "prefix-projection": prompt("PrefixTuningConfig", prefix_projection=True, encoder_hidden_size=16),
    "p-tuning-mlp": prompt("PromptEncoderConfig", encoder_reparameterization_type="MLP", encoder_hidden_size=16),
    "p-tuning-lstm": prompt("PromptEncoderConfig", encoder_reparameterization_type="LSTM", encoder_hidden_size=16),
    "modules-to-save": of("LoraConfig", r=3, lora_alpha=6, modules_to_save=["lm_head", "norm"], golden=False),
    "modules-to-save-loha": of("LoHaConfig", r=3, alpha=6, modules_to_save=["lm_head"], golden=False),
    "modules-tied": of(
        "LoraConfig", base=TIED, r=3, lora_alpha=6, modules_to_save=["lm_head"], ensure_weight_tying=True, golden=False
    ),
    "trainable-tokens": of("TrainableTokensConfig", target_modules=["embed_tokens"], token_indices=[3, 7, 50]),
    "trainable-tokens-tied": of(
        "TrainableTokensConfig", base=TIED, target_modules=["embed_tokens"], token_indices=[3, 7, 50]
    ),
    "lora-tokens": of("LoraConfig", r=3, lora_alpha=6, trainable_token_indices=[3, 7, 50]),
    "dora-rslora": of("LoraConfig", r=3, lora_alpha=6, use_dora=True, use_rslora=True, rank_pattern={"v_proj": 2}),
    "dora-embedding": of("LoraConfig", r=3, lora_alpha=6, use_dora=True, target_modules=["embed_tokens", "lm_head"], golden=False),
    "dora-gpt2": of(
        "LoraConfig", base=GPT2, r=3, lora_alpha=6, use_dora=True, fan_in_fan_out=True, target_modules=["c_attn"], golden=False
    ),
    "pissa-rslora": of("LoraConfig", r=3, lora_alpha=6, init_lora_weights="pissa", use_rslora=True, golden=False),
    "loftq": of(
        "LoraConfig", r=4, lora_alpha=4, init_lora_weights="loftq", loftq_config={"loftq_bits": 4, "loftq_iter": 2}, golden=False
    ),
    "lora-tokens-tied": of("LoraConfig", base=TIED, r=3, lora_alpha=6, trainable_token_indices=[3, 7, 50]),
    "lora-tokens-both": of(
        "LoraConfig", r=3, lora_alpha=6, trainable_token_indices={"embed_tokens": [3, 7, 50], "lm_head": [7, 9]}
    ),
    "lora-bias-all": of("LoraConfig", base=BIASED, r=3, lora_alpha=6, bias="all", golden=False),
    "lora-bias-only": of("LoraConfig", base=BIASED, r=3, lora_alpha=6, bias="lora_only", golden=False),
    "lora-parameters": of(
        "LoraConfig", r=3, lora_alpha=6, target_modules=[], target_parameters=["self_attn.q_proj.weight", "mlp.down_proj.weight"]
    ),
    "lora-both-targets": of(
        "LoraConfig",
        r=3,
        lora_alpha=6,
        golden=False,
        target_modules=["v_proj"],
        target_parameters=["lm_head.weight", "up_proj.weight"],
        rank_pattern={"up_proj.weight": 2, "v_proj": 4},
        alpha_pattern={"1.mlp.up_proj.weight": 9},
    ),
    "loftq-8": of(
        "LoraConfig", r=4, lora_alpha=4, init_lora_weights="loftq", loftq_config={"loftq_bits": 8, "loftq_iter": 2}, golden=False
    ),
}


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder.resolve(), attn_implementation="eager", dtype=torch.float32)


def shake(model: PeftModel, scale: float) -> None:
    """Adds noise to what is trained; a magnitude keeps its size, for its layer would be another one."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            noise = scale * torch.randn(parameter.shape)
            parameter.mul_(1 + noise) if "magnitude" in name else parameter.add_(noise)


def save(model: PeftModel, folder: Path, base: str, **options) -> None:
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(str(folder), save_embedding_layers=False, **options)
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(0o644)


def save_start(model: PeftModel, folder: Path) -> None:
    """As PEFT wants it for the conversion: a start that a second loading does not take off the base again."""
    config = model.active_peft_config
    kept = config.init_lora_weights
    config.init_lora_weights = True
    model.save_pretrained(str(folder))
    config.init_lora_weights = kept


def file_names(model: PeftModel) -> dict[int, str]:
    """What the file calls a parameter, by its address; of tied ones it is the name of the embedding."""
    saved = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {tensor.data_ptr(): name for name, tensor in sorted(saved.items())}


def is_of_model(model: PeftModel) -> bool:
    return model.active_peft_config.is_prompt_learning


def gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    names = file_names(model)
    found = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        if is_of_model(model):
            short = name.removeprefix("prompt_encoder.default.")
            kept = "prompt_embeddings" if short == "embedding.weight" and not has_encoder(model) else f"encoder.{short}"
        else:
            kept = names[parameter.data_ptr()]
        found[f"grad.{kept}"] = parameter.grad.clone()
    return found


def has_encoder(model: PeftModel) -> bool:
    return is_of_model(model) and sum(p.requires_grad for p in model.parameters()) > 1


def encoder(model: PeftModel) -> dict[str, torch.Tensor]:
    if not has_encoder(model):
        return {}
    parts = {n: p for n, p in model.named_parameters() if p.requires_grad}
    return {"encoder." + n.removeprefix("prompt_encoder.default."): p.detach().clone() for n, p in parts.items()}


def loss_of(model: PeftModel, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the text, and the mean loss of its next tokens; AdaLoRA adds its penalty to it."""
    if hasattr(model.base_model, "trainable_adapter_name"):
        output = model(input_ids=ids, labels=ids, use_cache=False)
        return output.logits, output.loss
    cached = {} if is_of_model(model) else {"use_cache": False}
    logits = model(input_ids=ids, **cached).logits[:, -ids.shape[1] :]
    return logits, F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def train(model: PeftModel, batches: torch.Tensor) -> list[float]:
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    losses = []
    model.train()
    for step, ids in enumerate(batches):
        _, loss = loss_of(model, ids)
        loss.backward()
        optimizer.step()
        if hasattr(model.base_model, "update_and_allocate"):
            model.base_model.update_and_allocate(step + 1)
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def make_batches(vocab: int, steps: int, seed: int) -> torch.Tensor:
    """Counting sequences, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(3, 60, (steps, ROWS, 1), generator=generator)
    stride = torch.randint(1, 5, (steps, ROWS, 1), generator=generator)
    return 3 + (start + stride * torch.arange(LENGTH)) % (vocab - 3)


def merged(model: PeftModel, base: Path) -> dict[str, torch.Tensor]:
    before = {k: v.clone() for k, v in load(base).state_dict().items()}
    after = model.merge_and_unload().state_dict()
    changed = {k: v for k, v in after.items() if not torch.equal(v, before[k])}
    once = {v.data_ptr(): k for k, v in sorted(changed.items())}  # tied weights are written once
    return {k: v for k, v in changed.items() if once[v.data_ptr()] == k}


def write(name: str, folder: Path, golden: bool) -> None:
    variant = VARIANTS[name]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 500 + list(VARIANTS).index(name)
    deterministic(seed)
    base = os.path.relpath(variant.base, folder) if golden else str(variant.base)
    model = get_peft_model(load(variant.base), variant.config())
    changes_base = getattr(model.active_peft_config, "init_lora_weights", True) in ("pissa", "olora")
    if changes_base:
        save_start(model, folder / "initial")
    shake(model, variant.shake)
    save(model, folder, base)
    start = encoder(model)
    if not is_of_model(model):  # what counts is the adapter as PEFT reads it back
        model = PeftModel.from_pretrained(load(variant.base), str(folder), is_trainable=True)

    vocab = model.config.vocab_size
    ids = random_ids(vocab, (ROWS, LENGTH), seed + 1000)
    ids[0, 2:5] = torch.tensor([3, 7, 50])  # those of `trainable-tokens`
    batches = make_batches(vocab, GOLDEN_STEPS if golden else STEPS, seed + 2000)
    model.eval()
    logits, loss = loss_of(model, ids)
    loss.backward()
    grads = gradients(model)
    with torch.no_grad():
        plain = load(variant.base)(input_ids=ids, use_cache=False).logits
    effect = relative(logits.detach(), plain)
    assert effect > 0.02, (name, effect)
    weights = {}
    if variant.merges:
        weights = merged(PeftModel.from_pretrained(load(variant.base), str(folder)), variant.base)
        assert weights, name
    if golden:
        weights = dict(sorted(weights.items(), key=lambda item: item[1].numel())[:2])
    model.zero_grad()
    losses = train(model, batches)
    if not golden or hasattr(model.base_model, "update_and_allocate"):
        # What took a part of the base over is compared as the plain LoRA of the original base, which PEFT writes when it is asked to.
        options = {"path_initial_model_for_weight_conversion": str(folder / "initial")} if changes_base else {}
        save(model, folder / "trained", base, **options)
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "batches": batches.to(torch.int32), "logits": logits}
        | grads
        | start
        | {f"merged.{k}": v for k, v in weights.items()},
    )
    write_json(
        folder / "expected.json",
        {
            "variant": name,
            "base": base,
            "learningRate": LEARNING_RATE,
            "weightDecay": WEIGHT_DECAY,
            "loss": float(loss.detach()),
            "losses": losses,
            "effect": effect,
            "merges": variant.merges,
            "versions": versions(),
        },
    )
    print(f"{name}: effect {effect:.3f}, {len(grads)} tensors, {len(weights)} merged, loss {losses[0]:.4f} → {losses[-1]:.4f}")


def read(cases: list[dict]) -> None:
    for case in cases:
        folder = Path(case["folder"])
        try:
            file = load_file(folder / "adapter_model.safetensors")
            model = PeftModel.from_pretrained(load(Path(case["base"])), str(folder)).eval()
            ids = torch.tensor(json.loads((folder / "ids.json").read_text()))
            taken = get_peft_model_state_dict(model, save_embedding_layers=False)
            # Before the forward pass: that of a constrained OFT changes its parameters.
            differing = [k for k in file.keys() & taken.keys() if not torch.equal(file[k].float(), taken[k].float())]
            with torch.no_grad():
                logits, _ = loss_of(model, ids)
            write_tensors(folder / "peft.safetensors", {"logits": logits})
            result = {
                "missing": sorted(taken.keys() - file.keys()) + sorted(differing),
                "unexpected": sorted(file.keys() - taken.keys()),
            }
        except Exception as error:  # one bad folder must not hide the others
            result = {"error": f"{type(error).__name__}: {error}"[:600]}
        print(json.dumps({"folder": case["folder"], **result}), flush=True)


if __name__ == "__main__":
    exact_starts()
    mode, *rest = sys.argv[1:] or ["list"]
    if mode == "write":
        for part in rest[1:] or VARIANTS:
            write(part, Path(rest[0]).resolve() / part, golden=False)
    elif mode == "golden":
        for part in rest or [name for name, variant in VARIANTS.items() if variant.golden]:
            write(part, OUT / part, golden=True)
    elif mode == "read":
        read(json.loads(Path(rest[0]).read_text()))
    else:
        print("\n".join(VARIANTS))
