"""Adapters as mlx-lm makes and saves them, with the logits it computes: writes tests/golden/mlx-adapters.

    python tests/oracle/mlx_adapters.py            needs mlx[cpu], mlx-lm
    python tests/oracle/mlx_adapters.py verify <model folder> <adapter folder> <ids.json> <logits.json>

`verify` loads an adapter folder that tritune wrote and says how far the logits are from those given.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model, save_config

OUT = Path(__file__).resolve().parent.parent / "golden" / "mlx-adapters"
LLAMA, GPT2 = "../../peft-train/base", "../../models/gpt2"

# name: base, fine_tune_type, num_layers, lora_parameters, dtype of the file
VARIANTS = {
    "lora": (LLAMA, "lora", 2, {"rank": 4, "dropout": 0.0, "scale": 20.0, "keys": ["self_attn.q_proj", "mlp.down_proj"]}, mx.float32),
    "all": (LLAMA, "lora", 1, {"rank": 3, "dropout": 0.1, "scale": 2.5}, mx.bfloat16),
    "head": (LLAMA, "lora", 1, {"rank": 2, "dropout": 0.0, "scale": 4.0, "keys": ["lm_head", "self_attn.v_proj"]}, mx.float16),
    "dora": (LLAMA, "dora", 3, {"rank": 4, "dropout": 0.0, "scale": 2.0, "keys": ["self_attn.v_proj", "mlp.up_proj"]}, mx.float32),
    "gpt2": (GPT2, "lora", 1, {"rank": 2, "dropout": 0.0, "scale": 3.0, "keys": ["attn.c_attn", "mlp.c_fc"]}, mx.float32),
}


def relative(a, b):
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def load(folder):
    """mlx-lm wants n_ctx of GPT-2, and its tensors without `transformer.` before them, as the first one on the hub has them."""
    folder = Path(folder).resolve()
    if json.loads((folder / "config.json").read_text())["model_type"] != "gpt2":
        return load_model(folder)[0]
    with tempfile.TemporaryDirectory() as plain:
        weights = mx.load(str(folder / "model.safetensors"))
        mx.save_safetensors(f"{plain}/model.safetensors", {k.removeprefix("transformer."): v for k, v in weights.items()})
        shutil.copy(folder / "config.json", plain)
        return load_model(Path(plain), model_config={"n_ctx": 64})[0]


def logits_of(model, ids):
    model.eval()
    return np.array(model(mx.array(ids)).astype(mx.float32))


def write(name: str) -> None:
    base, kind, layers, parameters, dtype = VARIANTS[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mx.random.seed(7 + list(VARIANTS).index(name))
    model = load(folder / base)
    ids = np.random.default_rng(3).integers(0, 90, (2, 9))
    plain = logits_of(model, ids)
    model.freeze()
    linear_to_lora_layers(model, layers, parameters, use_dora=kind == "dora")
    updates = []
    for key, value in tree_flatten(model.trainable_parameters()):
        noise = mx.random.normal(value.shape)
        fresh = value * (1 + 0.2 * noise) if key.endswith(".m") else 0.2 * noise
        updates.append((key, fresh.astype(dtype).astype(mx.float32)))
    model.load_weights(updates, strict=False)
    weights = {k: v.astype(dtype) for k, v in tree_flatten(model.trainable_parameters())}
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    save_config(
        {"model": base, "fine_tune_type": kind, "num_layers": layers, "lora_parameters": parameters, "seed": 0, "train": True},
        folder / "adapter_config.json",
    )
    again = load_adapters(load(folder / base), str(folder))
    logits = logits_of(again, ids)
    (folder / "expected.json").write_text(
        json.dumps(
            {
                "base": base,
                "ids": ids.flatten().tolist(),
                "length": ids.shape[1],
                "effect": relative(logits, plain),
                "logits": [float(f"{x:.8g}") for x in logits.flatten()],
            }
        )
        + "\n"
    )
    print(name, sorted(weights)[:4], len(weights), f"effect {relative(logits, plain):.3f}")


def verify(base: str, folder: str, ids: str, logits: str) -> None:
    model = load_adapters(load(base), folder)
    given = json.loads(Path(ids).read_text())
    theirs = logits_of(model, np.array(given))
    ours = np.array(json.loads(Path(logits).read_text())).reshape(theirs.shape)
    error = relative(ours, theirs)
    print(json.dumps({"ok": error <= 1e-5, "maxRel": error}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["verify"]:
        verify(*sys.argv[2:6])
    else:
        for part in sys.argv[1:] or VARIANTS:
            write(part)
