"""What bitsandbytes makes of some numbers, on its CPU backend.

    python tests/oracle/bitsandbytes_golden.py

Writes tests/golden/bitsandbytes/: codes as hexadecimal text, floats as float32 that read back exactly.
  maps.json       the dynamic maps, nf4 and fp4 code tables
  blocks.json     quantize_4bit (nf4, fp4; blocks of 64 and 128; a short last block) and quantize_blockwise
  nested.json     double quantization: codes of the scales, their absmax and offset, and the weight read back
  int8.json       int8_vectorwise_quant
  adamw8bit.json  five steps of AdamW8bit, with weights, codes and scales after each
The inputs are `numbers(n)`, whole-number arithmetic that tests repeat.

Where the CPU backend is not what the CUDA kernels are, and tritune follows those:
  - no block is all zeros: the code of 0 there, code 0 on CUDA;
  - 8-bit codes of float32 come from a coarse table and are not always the nearest ones; the path for other dtypes is
    exact, so `nearest()` hands it float64, to the optimizer too;
  - fp4 has two codes for zero, of which it takes either: both are written as 0.
"""

import hashlib
import os

os.environ["TORCHDYNAMO_DISABLE"] = "1"

from common import GOLDEN, deterministic, write_json

import bitsandbytes
import bitsandbytes.functional as F
from bitsandbytes.backends import cpu
import torch

OUT = GOLDEN / "bitsandbytes"


def numbers(n: int, seed: int) -> torch.Tensor:
    """Cubes of uniform numbers: a few large ones, many small ones."""
    values = []
    for i in range(n):
        word = ((i + 1) * 1103515245 + seed * 12345) % 2**31
        word = (word * 69069 + 1) % 2**31
        u = word / 2**30 - 1
        values.append(u * u * u)
    return torch.tensor(values, dtype=torch.float64).float()


def floats(x: torch.Tensor) -> list[float]:
    return x.detach().float().reshape(-1).tolist()


def codes(x: torch.Tensor) -> str:
    return bytes(x.contiguous().view(torch.uint8).reshape(-1).tolist()).hex()


def digest(x: torch.Tensor) -> str:
    return hashlib.sha256(x.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def nearest(x: torch.Tensor, signed: bool) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ops.bitsandbytes.quantize_blockwise(x.double(), F.create_dynamic_map(signed), 256)


def one_zero(packed: torch.Tensor) -> torch.Tensor:
    high, low = packed >> 4, packed & 15
    return (torch.where(high == 8, 0, high) << 4) | torch.where(low == 8, 0, low)


def write(name: str, value: dict) -> None:
    versions = {"torch": torch.__version__, "bitsandbytes": bitsandbytes.__version__}
    write_json(OUT / f"{name}.json", {**value, "versions": versions})
    print(f"{name}: {(OUT / f'{name}.json').stat().st_size} bytes")


def maps() -> None:
    write(
        "maps",
        {
            "signed": digest(F.create_dynamic_map(True)),
            "unsigned": digest(F.create_dynamic_map(False)),
            "nf4": floats(F.get_4bit_type("nf4", device="cpu")),
            "fp4": floats(F.get_4bit_type("fp4", device="cpu")),
        },
    )


def blocks() -> None:
    four = []
    for kind in ("nf4", "fp4"):
        for block in (64, 128):
            for n in (512, 300):
                x = numbers(n, block)
                packed, state = F.quantize_4bit(x, blocksize=block, quant_type=kind)
                if kind == "fp4":
                    packed = one_zero(packed)
                four.append(
                    {
                        "kind": kind,
                        "block": block,
                        "n": n,
                        "packed": codes(packed),
                        "absmax": floats(state.absmax),
                        "f32": digest(F.dequantize_4bit(packed, state)),
                        "bf16": digest(
                            torch.ops.bitsandbytes.dequantize_4bit.default(
                                packed, state.absmax, block, kind, (n,), torch.bfloat16
                            )
                        ),
                    }
                )
    eight = []
    for signed in (True, False):
        x = numbers(700, 3)
        if not signed:
            x = x.abs()
        quantized, absmax = nearest(x, signed)
        state = F.QuantState(absmax, code=F.create_dynamic_map(signed), blocksize=256, dtype=torch.float32)
        eight.append(
            {
                "signed": signed,
                "n": 700,
                "codes": codes(quantized),
                "absmax": floats(absmax),
                "f32": digest(F.dequantize_blockwise(quantized, state)),
            }
        )
    write("blocks", {"four": four, "eight": eight})


def nested() -> None:
    cases = []
    for kind, shape in (("nf4", (96, 256)), ("fp4", (64, 320))):
        x = numbers(shape[0] * shape[1], 9).reshape(shape)
        packed, state = F.quantize_4bit(x, blocksize=64, quant_type=kind, compress_statistics=True)
        plain = F.quantize_4bit(x, blocksize=64, quant_type=kind)[1].absmax
        state.absmax, state.state2.absmax = nearest(plain - state.offset, True)
        if kind == "fp4":
            packed = one_zero(packed)
        cases.append(
            {
                "kind": kind,
                "shape": list(shape),
                "packed": digest(packed),
                "scale": codes(state.absmax),
                "nested": floats(state.state2.absmax),
                "offset": state.offset.item(),
                "f32": digest(F.dequantize_4bit(packed, state)),
            }
        )
    write("nested", {"cases": cases})


def int8() -> None:
    x = numbers(5 * 70, 4).reshape(5, 70)
    q, absmax, _ = F.int8_vectorwise_quant(x.clone())
    write("int8", {"shape": [5, 70], "q": codes(q), "absmax": floats(absmax)})


def quantize_state(x: torch.Tensor, code: torch.Tensor, absmax: torch.Tensor, out: torch.Tensor, block: int) -> None:
    q, scale = nearest(x, signed=code[0].item() < 0)
    out.copy_(q)
    absmax.copy_(scale)


def adamw() -> None:
    n = 4096 + 300
    options = {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
    weight = torch.nn.Parameter(numbers(n, 5))
    cpu.ops._quant_blockwise_fp32_direct = quantize_state
    optimizer = bitsandbytes.optim.AdamW8bit([weight], **options)
    steps = []
    for step in range(5):
        weight.grad = numbers(n, 100 + step)
        optimizer.step()
        state = optimizer.state[weight]
        kept = torch.arange(0, n, 48)
        steps.append(
            {
                "weight": floats(weight.data[kept]),
                "m8": codes(state["state1"][kept]),
                "v8": codes(state["state2"][kept]),
                "mAbsmax": floats(state["absmax1"]),
                "vAbsmax": floats(state["absmax2"]),
            }
        )
    write("adamw8bit", {"n": n, "options": {**options, "betas": list(options["betas"])}, "steps": steps})


if __name__ == "__main__":
    deterministic(0)
    maps()
    blocks()
    nested()
    int8()
    adamw()
