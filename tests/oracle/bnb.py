"""bitsandbytes beside tritune: tensors and whole checkpoints, for `bun run oracle bnb`.

    python tests/oracle/bnb.py tensors <file.safetensors> [--count 50] [--seed 0]
        random matrices and what bitsandbytes makes of them (its CPU backend): <i>.x, <i>.packed, <i>.absmax, …
    python tests/oracle/bnb.py checkpoints <folder>
        a tiny llama (plain/), the same saved by transformers in 4 and 8 bits, and logits.json with what each computes in float32
    python tests/oracle/bnb.py logits <model folder>
        the last line is JSON: what transformers computes with a folder that tritune wrote

Where its CPU backend is not what its GPU kernels are, which tritune follows:
  - blocks of zeros, which do not occur here; fp4 has two codes for zero, which the reader makes one;
  - 8-bit codes of float32 come from a coarse table; float64 is exact;
  - numbers on the border between two 4-bit codes in a short last block (a quotient instead of a product) and below zero (fp4): the
    reader allows those, and counts them;
  - dequantize_4bit with AVX-512 is off in some shapes; the generic implementation is asked;
  - a model that is not in training multiplies 4-bit weights rounded to bf16, and rounds what meets int8; in training it does neither.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"
warnings.filterwarnings("ignore")

import common  # noqa: F401  (environment)

import bitsandbytes
import bitsandbytes.functional as F
import torch
import transformers
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

IDS = [(i * 37 + 5) % 96 for i in range(24)]


def say(value: dict) -> None:
    print(json.dumps(value))


def tensors(path: Path, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pick = lambda low, high: int(torch.randint(low, high, (1,), generator=generator))
    signed = F.create_dynamic_map(True)
    out, cases = {}, []
    for i in range(count):
        rows, cols = pick(1, 200), pick(1, 400)
        dtype = torch.bfloat16 if i % 2 else torch.float32
        x = (torch.randn(rows, cols, generator=generator) * 10 ** (pick(0, 5) - 3)).to(dtype)
        block = 32 << pick(0, 8)
        case = {"shape": [rows, cols], "block": block}
        out[f"{i}.x"] = x.contiguous()
        for kind in ("nf4", "fp4"):
            packed, state = F.quantize_4bit(x, blocksize=block, quant_type=kind)
            out[f"{i}.{kind}.packed"] = packed.reshape(-1)
            out[f"{i}.{kind}.absmax"] = state.absmax
            flat = packed.view(torch.uint8).reshape(-1)
            numbers = _dequantize_4bit_compute(flat, state.absmax, state.code, block, (rows, cols), dtype)
            out[f"{i}.{kind}.numbers"] = numbers.contiguous()
        offset = state.absmax.mean()
        codes, scale = torch.ops.bitsandbytes.quantize_blockwise((state.absmax - offset).double(), signed, 256)
        out[f"{i}.nested.codes"], out[f"{i}.nested.absmax"] = codes, scale.float()
        case["offset"] = float(offset)
        q, absmax, _ = F.int8_vectorwise_quant(x.half().clone())
        out[f"{i}.int8.q"], out[f"{i}.int8.absmax"] = q, absmax.reshape(-1)
        cases.append(case)
    save_file(out, path)
    say({"cases": cases, "versions": {"bitsandbytes": bitsandbytes.__version__, "torch": torch.__version__}})


def logits_of(folder: Path, training: bool = True) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train(training)
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].double().reshape(-1).tolist()


def checkpoints(folder: Path) -> None:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=96, hidden_size=128, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.08,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "plain")
    four = dict(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32)
    kinds = {
        "nf4": dict(**four, bnb_4bit_quant_type="nf4"),
        "nf4-nested": dict(**four, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
        "fp4-nested": dict(**four, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True),
        "int8": dict(load_in_8bit=True, llm_int8_skip_modules=["lm_head", "o_proj"]),
    }
    logits = {"plain": logits_of(folder / "plain")}
    for name, options in kinds.items():
        model = AutoModelForCausalLM.from_pretrained(
            folder / "plain", quantization_config=BitsAndBytesConfig(**options), dtype=torch.float32
        )
        model.save_pretrained(folder / name)
        logits[name] = logits_of(folder / name)
    logits["int8, x rounded"] = logits_of(folder / "int8", training=False)
    (folder / "logits.json").write_text(json.dumps({"ids": IDS, "logits": logits}))
    say({"ok": True, "versions": {"transformers": transformers.__version__}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["tensors", "checkpoints", "logits"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "tensors":
        tensors(args.path, args.count, args.seed)
    elif args.what == "checkpoints":
        checkpoints(args.path)
    else:
        model = AutoModelForCausalLM.from_pretrained(args.path)
        packed = sum("4bit" in type(m).__name__ or "8bit" in type(m).__name__ for m in model.modules())
        say({"logits": logits_of(args.path), "packed": packed})


if __name__ == "__main__":
    main()
