"""Steps of optimizers by their reference implementations.

    python tests/oracle/optimizers.py

Writes tests/golden/ops/optimizers.json: for each case the options, start and gradients of three parameters (a tall matrix, a wide one,
a vector), the weights after the first two steps and the sixth, and the states then; what schedulefree calls x as well. Needs torch, transformers,
bitsandbytes, and of PyPI schedulefree and lion-pytorch.

  lion           lion-pytorch
  lion_32bit     bitsandbytes on its CPU backend
  adafactor      transformers.optimization.Adafactor, with the options of transformers' trainer and others
  muon           torch.optim.Muon as it is, and with its bf16 taken for f32 (`bfloat16()` is patched): what is compared then is the method
  schedule_free  schedulefree.AdamWScheduleFree
  sgd, rmsprop   torch.optim
Writes tests/golden/bitsandbytes/lion8bit.json: five steps of Lion8bit with codes and scales, as adamw8bit.json of bitsandbytes_golden.py.
"""

import os

os.environ["TORCHDYNAMO_DISABLE"] = "1"

from common import GOLDEN, deterministic, versions, write_json

import bitsandbytes
import torch
from bitsandbytes.backends import cpu
from bitsandbytes_golden import codes, numbers, quantize_state
from lion_pytorch import Lion
from schedulefree import AdamWScheduleFree
from transformers.optimization import Adafactor

SHAPES = {"tall": (12, 5), "wide": (4, 20), "vector": (9,)}
STEPS = 6


KEPT = (0, 1, STEPS - 1)


def floats(x: torch.Tensor) -> list[float]:
    return [float(f"{value:.9g}") for value in x.detach().float().reshape(-1).tolist()]


def start() -> dict[str, torch.Tensor]:
    deterministic(1)
    return {name: torch.randn(shape) for name, shape in SHAPES.items()}


def gradients(step: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(100 + step)
    return {name: torch.randn(shape) * 10.0 ** -(step % 3) for name, shape in SHAPES.items()}


def case(name: str, make, options: dict, states: dict[str, str], matrices_only=False, rates=None) -> dict:
    values = start()
    if matrices_only:
        values.pop("vector")
    parameters = {key: torch.nn.Parameter(value) for key, value in values.items()}
    optimizer = make(list(parameters.values()), **options)
    average = hasattr(optimizer, "eval")
    steps = []
    for step in range(STEPS):
        if average:
            optimizer.train()
        if rates:
            optimizer.param_groups[0]["lr"] = rates[step]
        for key, parameter in parameters.items():
            parameter.grad = gradients(step)[key].clone()
        optimizer.step()
        if step not in KEPT:
            continue
        row = {"step": step + 1, "weights": {key: floats(p) for key, p in parameters.items()}}
        last = step == STEPS - 1
        row["states"] = {
            f"{ours}.{key}": floats(optimizer.state[p][theirs])
            for ours, theirs in states.items()
            for key, p in parameters.items()
            if last and isinstance(optimizer.state[p].get(theirs), torch.Tensor)
        }
        if average and last:
            optimizer.eval()
            row["average"] = {key: floats(p) for key, p in parameters.items()}
        steps.append(row)
    return {"name": name, "options": options, "rates": rates, "parameters": list(parameters), "steps": steps}


def muon_in_f32(parameters, **options):
    torch.Tensor.bfloat16 = lambda self: self.float().clone()
    return torch.optim.Muon(parameters, **options)


def lion32(parameters, **options):
    return bitsandbytes.optim.Lion32bit(parameters, **options)


def optimizers() -> None:
    warm = [0.0, 0.005, 0.01, 0.008, 0.004, 0.002]
    lion_state = {"m": "exp_avg"}
    factored = {"row": "exp_avg_sq_row", "col": "exp_avg_sq_col", "v": "exp_avg_sq", "m": "exp_avg"}
    trainer = {"scale_parameter": False, "relative_step": False}
    free = {"z": "z", "v": "exp_avg_sq"}
    root = {"v": "square_avg", "b": "momentum_buffer", "mean": "grad_avg"}
    # Before the patch of muon_in_f32.
    bf16 = case(
        "muon-bf16",
        torch.optim.Muon,
        {"lr": 1e-2, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"},
        {"momentum": "momentum_buffer"},
        matrices_only=True,
    )
    cases = [
        bf16,
        case("lion", Lion, {"lr": 1e-2, "betas": (0.9, 0.99)}, lion_state),
        case("lion-decay", Lion, {"lr": 1e-2, "betas": (0.95, 0.98), "weight_decay": 0.1}, lion_state),
        case("lion_32bit", lion32, {"lr": 1e-2, "betas": (0.9, 0.999), "weight_decay": 0.1}, {"m": "state1"}),
        case("adafactor-trainer", Adafactor, {"lr": 1e-2, **trainer}, factored),
        case("adafactor-decay", Adafactor, {"lr": 1e-2, **trainer, "weight_decay": 0.1, "beta1": 0.9}, factored),
        case(
            "adafactor-scaled",
            Adafactor,
            {"lr": 1e-2, "scale_parameter": True, "relative_step": False, "clip_threshold": 0.5, "decay_rate": -0.6},
            factored,
        ),
        case("adafactor-relative", Adafactor, {"lr": None, "scale_parameter": True, "weight_decay": 0.1}, factored),
        case("adafactor-warmup", Adafactor, {"lr": None, "warmup_init": True}, factored),
        case("sgd", torch.optim.SGD, {"lr": 1e-2, "weight_decay": 0.1}, {}),
        case("sgd-momentum", torch.optim.SGD, {"lr": 1e-2, "momentum": 0.9, "dampening": 0.2}, {"v": "momentum_buffer"}),
        case(
            "sgd-nesterov",
            torch.optim.SGD,
            {"lr": 1e-2, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
            {"v": "momentum_buffer"},
        ),
        case("rmsprop", torch.optim.RMSprop, {"lr": 1e-2}, root),
        case(
            "rmsprop-centered",
            torch.optim.RMSprop,
            {"lr": 1e-2, "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "eps": 1e-5},
            root,
        ),
        case("schedule_free", AdamWScheduleFree, {"lr": 1e-2, "foreach": False}, free),
        case(
            "schedule_free-all",
            AdamWScheduleFree,
            {
                "lr": 1e-2,
                "betas": (0.8, 0.99),
                "weight_decay": 0.1,
                "warmup_steps": 3,
                "r": 1.0,
                "weight_lr_power": 1.5,
                "foreach": False,
            },
            free,
        ),
        case("schedule_free-scheduled", AdamWScheduleFree, {"lr": 1e-2, "foreach": False}, free, rates=warm),
        case(
            "muon",
            muon_in_f32,
            {"lr": 1e-2, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"},
            {"momentum": "momentum_buffer"},
            matrices_only=True,
        ),
        case(
            "muon-original",
            muon_in_f32,
            {"lr": 1e-2, "weight_decay": 0.0, "momentum": 0.8, "nesterov": False, "ns_steps": 3},
            {"momentum": "momentum_buffer"},
            matrices_only=True,
        ),
    ]
    write_json(
        GOLDEN / "ops" / "optimizers.json",
        {
            "shapes": SHAPES,
            "start": {key: floats(value) for key, value in start().items()},
            "gradients": [{key: floats(value) for key, value in gradients(step).items()} for step in range(STEPS)],
            "cases": cases,
            "versions": {**versions(), "bitsandbytes": bitsandbytes.__version__},
        },
    )


def lion8bit() -> None:
    n = 4096 + 300
    options = {"lr": 1e-2, "betas": (0.9, 0.99), "weight_decay": 0.1}
    weight = torch.nn.Parameter(numbers(n, 5))
    cpu.ops._quant_blockwise_fp32_direct = quantize_state
    optimizer = bitsandbytes.optim.Lion8bit([weight], **options)
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
                "mAbsmax": floats(state["absmax1"]),
            }
        )
    write_json(GOLDEN / "bitsandbytes" / "lion8bit.json", {"n": n, "options": options, "steps": steps})


if __name__ == "__main__":
    optimizers()
    lion8bit()
