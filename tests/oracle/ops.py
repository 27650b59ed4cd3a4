"""Small numeric tables for maths that is easy to get subtly wrong in the same way twice.

    python tests/oracle/ops.py

Writes tests/golden/ops/: every float is a float32 (schedules: float64) printed so that it reads back exactly.
  rope.json        inv_freq and attention factor of ROPE_INIT_FUNCTIONS for default, linear, dynamic, llama3, yarn
  adamw.json       torch.optim.AdamW: parameter and both moments after each of three steps
  activations.json gelu (erf and tanh) and silu: value and derivative
  norms.json       rms_norm and layer_norm: output and gradients for a given incoming gradient
  schedules.json   learning-rate factor per step of transformers' schedules for a run of 20 steps; the last four of
                   the 24 factors are past its end, where the cosine rises again
  clip.json        clip_grad_norm_: total norm and clipped gradients
  cross_entropy.json  losses and gradient with ignored labels, and with label smoothing
  rounding.json    bits of float32 values rounded to bfloat16 and float16
"""

from common import GOLDEN, deterministic, versions, write_json

import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers import optimization as schedules
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

OUT = GOLDEN / "ops"


def write(name: str, value: dict) -> None:
    write_json(OUT / f"{name}.json", {**value, "versions": versions()})
    print(f"{name}: {(OUT / f'{name}.json').stat().st_size} bytes")


# (name, head_dim, max_position_embeddings, rope_parameters, sequence length for dynamic)
ROPES = [
    ("default", 64, 8192, {"rope_type": "default", "rope_theta": 100000.0}, None),
    ("linear-4", 32, 4096, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}, None),
    ("linear-2.5", 20, 4096, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}, None),
    ("dynamic-short", 32, 2048, {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, 100),
    ("dynamic-long", 32, 2048, {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, 5000),
    (
        "llama-3.1",
        128,
        131072,
        {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        None,
    ),
    (
        "llama-3.2",
        64,
        131072,
        {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        None,
    ),
    (
        "yarn-qwen",
        128,
        131072,
        {
            "rope_type": "yarn",
            "rope_theta": 1000000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
        },
        None,
    ),
    (
        "yarn-mscale",
        64,
        163840,
        {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 40.0,
            "original_max_position_embeddings": 4096,
            "beta_fast": 32,
            "beta_slow": 1,
            "mscale": 0.707,
            "mscale_all_dim": 1.0,
        },
        None,
    ),
    (
        "yarn-no-truncate",
        64,
        131072,
        {
            "rope_type": "yarn",
            "rope_theta": 150000.0,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
        },
        None,
    ),
    (
        "yarn-attention-factor",
        32,
        8192,
        {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 2.0,
            "original_max_position_embeddings": 4096,
            "attention_factor": 0.9,
            "beta_fast": 16,
            "beta_slow": 2,
        },
        None,
    ),
]


def rope() -> None:
    cases = []
    for name, head_dim, longest, parameters, length in ROPES:
        config = LlamaConfig(
            hidden_size=2 * head_dim,
            num_attention_heads=2,
            max_position_embeddings=longest,
            rope_parameters=dict(parameters),
        )
        if parameters["rope_type"] == "default":
            # transformers keeps this formula inside each model
            exponent = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
            inv_freq, factor = 1.0 / (parameters["rope_theta"] ** exponent), 1.0
        else:
            inv_freq, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, "cpu", seq_len=length)
        cases.append(
            {
                "name": name,
                "headDim": head_dim,
                "maxPositionEmbeddings": longest,
                "ropeParameters": parameters,
                "sequenceLength": length,
                "invFreq": inv_freq.tolist(),
                "attentionFactor": float(factor),
            }
        )
    write("rope", {"cases": cases})


def adamw() -> None:
    cases = []
    for name, options in {
        "plain": dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0),
        "decay": dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
        "large-eps": dict(lr=1e-1, betas=(0.8, 0.99), eps=1e-2, weight_decay=0.01),
    }.items():
        deterministic(7)
        parameter = torch.nn.Parameter(torch.randn(19))
        start = parameter.detach().tolist()
        optimizer = torch.optim.AdamW([parameter], foreach=False, **options)
        steps = []
        for _ in range(3):
            grad = torch.randn(19) * torch.logspace(-6, 2, 19)
            grad[0] = 0
            parameter.grad = grad.clone()
            optimizer.step()
            state = optimizer.state[parameter]
            steps.append(
                {
                    "grad": grad.tolist(),
                    "parameter": parameter.detach().tolist(),
                    "expAvg": state["exp_avg"].tolist(),
                    "expAvgSq": state["exp_avg_sq"].tolist(),
                }
            )
        cases.append({"name": name, "options": options, "start": start, "steps": steps})
    write("adamw", {"cases": cases})


def activations() -> None:
    x = torch.cat([torch.linspace(-6, 6, 49), torch.tensor([-50.0, -12.0, -1e-4, 1e-4, 12.0, 50.0])])
    out = {"x": x.tolist()}
    for name, function in {
        "geluErf": F.gelu,
        "geluTanh": lambda v: F.gelu(v, approximate="tanh"),
        "silu": F.silu,
    }.items():
        # float64, rounded once: torch's own float32 kernels differ among themselves in the last bits
        v = x.double().requires_grad_(True)
        y = function(v)
        (grad,) = torch.autograd.grad(y.sum(), v)
        out[name] = {"value": y.float().tolist(), "derivative": grad.float().tolist()}
    write("activations", out)


def norms() -> None:
    deterministic(8)
    rows, cols, eps = 3, 13, 1e-5
    x, weight, bias, incoming = torch.randn(rows, cols), torch.randn(cols), torch.randn(cols), torch.randn(rows, cols)
    x[1] *= 1e-4  # here eps matters
    x[2] += 5
    out = {"rows": rows, "cols": cols, "eps": eps}
    out |= {"x": x.flatten().tolist(), "weight": weight.tolist(), "bias": bias.tolist()}
    out["incoming"] = incoming.flatten().tolist()
    for name in ("rmsNorm", "layerNorm"):
        v, w, b = (t.double().requires_grad_(True) for t in (x, weight, bias))
        y = F.rms_norm(v, (cols,), w, eps) if name == "rmsNorm" else F.layer_norm(v, (cols,), w, b, eps)
        wanted = [v, w] if name == "rmsNorm" else [v, w, b]
        grads = torch.autograd.grad(y, wanted, incoming.double())
        out[name] = {"value": y.float().flatten().tolist()} | {
            f"grad{key}": g.float().flatten().tolist() for key, g in zip(("X", "Weight", "Bias"), grads)
        }
    write("norms", out)


def learning_rates() -> None:
    def factors(make, **options) -> dict:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimizer, **options)
        values = []
        for _ in range(24):
            values.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return {"options": options, "factors": values}

    run = dict(num_warmup_steps=4, num_training_steps=20)
    wsd = dict(num_warmup_steps=4, num_decay_steps=6, num_training_steps=20)
    cases = {
        "constant": factors(schedules.get_constant_schedule),
        "constant_with_warmup": factors(schedules.get_constant_schedule_with_warmup, num_warmup_steps=4),
        "linear": factors(schedules.get_linear_schedule_with_warmup, **run),
        "linear-no-warmup": factors(
            schedules.get_linear_schedule_with_warmup, num_warmup_steps=0, num_training_steps=20
        ),
        "cosine": factors(schedules.get_cosine_schedule_with_warmup, **run),
        "cosine-no-warmup": factors(
            schedules.get_cosine_schedule_with_warmup, num_warmup_steps=0, num_training_steps=20
        ),
        "cosine_with_min_lr": factors(
            schedules.get_cosine_with_min_lr_schedule_with_warmup, min_lr_rate=0.1, **run
        ),
        "cosine_with_restarts": factors(
            schedules.get_cosine_with_hard_restarts_schedule_with_warmup, num_cycles=2, **run
        ),
        "polynomial": factors(
            schedules.get_polynomial_decay_schedule_with_warmup, lr_end=0.05, power=2.0, **run
        ),
        "inverse_sqrt": factors(schedules.get_inverse_sqrt_schedule, num_warmup_steps=4),
        "wsd": factors(schedules.get_wsd_schedule, **wsd),
        "wsd-linear-min": factors(schedules.get_wsd_schedule, decay_type="linear", min_lr_ratio=0.1, **wsd),
        "wsd-1-sqrt": factors(schedules.get_wsd_schedule, decay_type="1-sqrt", **wsd),
    }
    write("schedules", {"cases": cases})


def clip() -> None:
    deterministic(9)
    shapes = [(3, 4), (5,), (2, 2)]
    cases = []
    for name, scale, max_norm in [
        ("clipped", 3.0, 1.0),
        ("below", 0.01, 1.0),
        ("just-below", None, 1.0),  # norm = max_norm - 5e-7: max_norm / (norm + 1e-6) is below 1
        ("zero", 0.0, 1.0),
        ("small-max", 1.0, 1e-3),
    ]:
        grads = [torch.randn(s) * (1.0 if scale is None else scale) for s in shapes]
        if scale is None:
            norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in grads]))
            grads = [g * ((max_norm - 5e-7) / norm) for g in grads]
        parameters = [torch.nn.Parameter(torch.zeros(s)) for s in shapes]
        for p, g in zip(parameters, grads):
            p.grad = g.clone()
        total = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=False)
        cases.append(
            {
                "name": name,
                "maxNorm": max_norm,
                "grads": [g.flatten().tolist() for g in grads],
                "totalNorm": float(total),
                "clipped": [p.grad.flatten().tolist() for p in parameters],
            }
        )
    write("clip", {"shapes": shapes, "cases": cases})


def cross_entropy() -> None:
    deterministic(10)
    rows, vocab = 6, 11
    logits = torch.randn(rows, vocab) * 3
    logits[1, 2] = 60.0  # one confident row, right
    logits[4, 7] = 90.0  # and one confident row, wrong
    labels = torch.tensor([3, 2, -100, 10, 0, -100])
    cases = []
    for name, options in {
        "mean": dict(reduction="mean"),
        "sum": dict(reduction="sum"),
        "smoothed": dict(reduction="mean", label_smoothing=0.1),
    }.items():
        v = logits.double().requires_grad_(True)
        loss = F.cross_entropy(v, labels, ignore_index=-100, **options)
        (grad,) = torch.autograd.grad(loss, v)
        cases.append(
            {"name": name, "options": options, "loss": float(loss.detach()), "grad": grad.float().flatten().tolist()}
        )
    write(
        "cross_entropy",
        {"rows": rows, "vocab": vocab, "logits": logits.flatten().tolist(), "labels": labels.tolist(), "cases": cases},
    )


def rounding() -> None:
    deterministic(11)
    special = [
        0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000, 0x3F800000,
        0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001,  # bf16 ties to even, and their neighbours
        0x3F801000, 0x3F803000, 0x3F800FFF, 0x3F801001,  # the same for f16
        0x477FE000, 0x477FEFFF, 0x477FF000, 0x47800000,  # f16 largest, last before and first of infinity
        0x38800000, 0x387FC000, 0x33800000, 0x33000000, 0x33000001,  # f16 smallest normal, subnormals, underflow
        0x7F7FFFFF, 0x7F7F7FFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000,  # bf16 overflow and infinities
    ]  # fmt: skip
    random = torch.randn(40).mul(torch.logspace(-8, 8, 40)).view(torch.int32).tolist()
    bits = [b - (1 << 32) if b >= 1 << 31 else b for b in special] + random
    x = torch.tensor(bits, dtype=torch.int32).view(torch.float32)

    def half_bits(dtype: torch.dtype) -> list[int]:
        return [b & 0xFFFF for b in x.to(dtype).view(torch.int16).tolist()]

    write(
        "rounding",
        {
            "f32": [b & 0xFFFFFFFF for b in bits],
            "bf16": half_bits(torch.bfloat16),
            "f16": half_bits(torch.float16),
        },
    )


if __name__ == "__main__":
    deterministic(0)
    for part in (rope, adamw, activations, norms, learning_rates, clip, cross_entropy, rounding):
        part()
