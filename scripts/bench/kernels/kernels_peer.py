"""The torch side of the kernel benchmark. It writes no file.

    python scripts/bench/kernels/kernels_peer.py [--threads 2]

Prints {"ready": true, "ops": [...], …}, then answers each JSON line on stdin with one JSON line:
  {"op": "sdpa", "dtype": "f32", "shape": {...}, "mode": "both", "reps": 7, "warmup": 2, "maxSeconds": 10}
  -> {"op": …, "seconds": median, "min": …, "reps": n, "variant": …, "variants": {name: median}}
"quit" (or {"op": "quit"}) ends. A line it cannot serve is answered with {"error": …}.

dtype f32 | bf16. mode "forward" runs without autograd; "both" runs forward and backward and times them together.
reps is an upper bound: it stops early after maxSeconds, but never before 3 runs. Where torch offers several ways
to say the same thing they are all timed, and `seconds` is the best of them.

op (shape, with its defaults)           gradients in mode "both"
  sdpa (batch 4, heads 9, kvHeads 3, length 512, headDim 64)         q, k, v; causal
  linear_cross_entropy (tokens 2048, hidden 576, vocab 49152)        h only: h @ W.T, then F.cross_entropy in f32
  linear (rows 2048, in 576, out 1536)                               x only: the frozen weight of a LoRA layer
  lora_linear (rows 2048, in 576, out 1536, rank 16)                 x, A and B; frozen weight
  matmul (m 2048, k 576, n 1536)                                     both operands
  rms_norm (rows 2048, cols 576)                                     x only
  swiglu (rows 2048, cols 1536)                                      gate and up
  rope (batch 4, heads 9, length 512, headDim 64)                    x
  softmax_cross_entropy (rows 2048, cols 49152)                      logits
  adamw (numel 4884480)                                              no autograd: one optimizer step, always f32
"""

import argparse
import json
import os
import statistics
import sys
import time


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


ARGS = parse()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # read when torch is imported

import torch
import torch.nn.functional as F

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def say(value: dict) -> None:
    print(json.dumps(value), flush=True)


def rand(*shape: int, dtype: torch.dtype, scale: float = 1.0) -> torch.Tensor:
    return (torch.randn(*shape) * scale).to(dtype)


# Each builder returns (tensors that want a gradient, {variant: forward()}). Inputs are made once, outside the clock.


def sdpa(dtype, batch=4, heads=9, kvHeads=3, length=512, headDim=64):
    # (B, T, H, D) viewed as (B, H, T, D), as the projections of a model give it
    q = rand(batch, length, heads, headDim, dtype=dtype).transpose(1, 2)
    k = rand(batch, length, kvHeads, headDim, dtype=dtype).transpose(1, 2)
    v = rand(batch, length, kvHeads, headDim, dtype=dtype).transpose(1, 2)
    repeat = heads // kvHeads
    variants = {"enable_gqa": lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)}
    if repeat > 1:
        variants["repeat_kv"] = lambda: F.scaled_dot_product_attention(
            q, k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1), is_causal=True
        )
    return [q, k, v], variants


def linear_cross_entropy(dtype, tokens=2048, hidden=576, vocab=49152):
    h = rand(tokens, hidden, dtype=dtype)
    w = rand(vocab, hidden, dtype=dtype, scale=hidden**-0.5)
    labels = torch.randint(0, vocab, (tokens,))
    return [h], {"logits": lambda: F.cross_entropy((h @ w.T).float(), labels)}


def linear(dtype, rows=2048, out=1536, **shape):
    x = rand(rows, shape.get("in", 576), dtype=dtype)
    w = rand(out, shape.get("in", 576), dtype=dtype, scale=shape.get("in", 576) ** -0.5)
    return [x], {"linear": lambda: F.linear(x, w)}


def lora_linear(dtype, rows=2048, out=1536, rank=16, **shape):
    inner = shape.get("in", 576)
    x = rand(rows, inner, dtype=dtype)
    w = rand(out, inner, dtype=dtype, scale=inner**-0.5)
    a = rand(rank, inner, dtype=dtype, scale=inner**-0.5)
    b = rand(out, rank, dtype=dtype, scale=0.02)
    return [x, a, b], {"lora": lambda: F.linear(x, w) + F.linear(F.linear(x, a), b) * 2.0}


def matmul(dtype, m=2048, k=576, n=1536):
    a, b = rand(m, k, dtype=dtype), rand(k, n, dtype=dtype)
    return [a, b], {"matmul": lambda: a @ b}


def rms_norm(dtype, rows=2048, cols=576):
    x, w = rand(rows, cols, dtype=dtype), rand(cols, dtype=dtype)

    def spelled_out():  # as transformers' LlamaRMSNorm
        f = x.float()
        return w * (f * torch.rsqrt(f.pow(2).mean(-1, keepdim=True) + 1e-5)).to(dtype)

    return [x], {"rms_norm": lambda: F.rms_norm(x, (cols,), w, 1e-5), "transformers": spelled_out}


def swiglu(dtype, rows=2048, cols=1536):
    gate, up = rand(rows, cols, dtype=dtype), rand(rows, cols, dtype=dtype)
    return [gate, up], {"silu_mul": lambda: F.silu(gate) * up}


def rope(dtype, batch=4, heads=9, length=512, headDim=64):
    x = rand(batch, length, heads, headDim, dtype=dtype).transpose(1, 2)
    inv = 1.0 / 10000 ** (torch.arange(0, headDim, 2).float() / headDim)
    angles = torch.arange(length).float()[:, None] * inv
    angles = torch.cat([angles, angles], -1)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    half = headDim // 2
    return [x], {"rotate_half": lambda: x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin}


def softmax_cross_entropy(dtype, rows=2048, cols=49152):
    logits = rand(rows, cols, dtype=dtype)
    labels = torch.randint(0, cols, (rows,))
    return [logits], {"cross_entropy": lambda: F.cross_entropy(logits.float(), labels)}


def adamw(dtype, numel=4884480):
    variants = {}
    for name, options in {"fused": {"fused": True}, "foreach": {"foreach": True}}.items():
        p = torch.nn.Parameter(torch.randn(numel))
        p.grad = torch.randn(numel)
        variants[name] = torch.optim.AdamW([p], lr=1e-4, weight_decay=0.01, **options).step
    return None, variants


OPS = {
    f.__name__: f
    for f in (
        sdpa,
        linear_cross_entropy,
        linear,
        lora_linear,
        matmul,
        rms_norm,
        swiglu,
        rope,
        softmax_cross_entropy,
        adamw,
    )
}


def runner(inputs, forward, both: bool):
    """One timed run as a function of nothing; the incoming gradient is made beforehand."""
    if inputs is None:
        return forward
    if not both:
        return torch.no_grad()(forward)
    for x in inputs:
        x.requires_grad_(True)
    incoming = torch.randn_like(forward())

    def run():
        return torch.autograd.grad(forward(), inputs, incoming)

    return run


def measure(run, warmup: int, reps: int, limit: float) -> list[float]:
    for _ in range(warmup):
        run()
    times = []
    while len(times) < reps and (len(times) < 3 or sum(times) < limit):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
        del result  # freeing is outside the clock
    return times


def serve(request: dict) -> dict:
    name = request["op"]
    if name not in OPS:
        raise ValueError(f"unknown op {name!r}: {', '.join(OPS)}")
    dtype, mode = request.get("dtype", "f32"), request.get("mode", "both")
    if dtype not in DTYPES or mode not in ("both", "forward"):
        raise ValueError("dtype is f32 or bf16, mode is both or forward")
    torch.manual_seed(0)
    inputs, variants = OPS[name](DTYPES[dtype], **request.get("shape", {}))
    times = {
        variant: measure(
            runner(inputs, forward, mode == "both"),
            int(request.get("warmup", 2)),
            int(request.get("reps", 7)),
            float(request.get("maxSeconds", 10)),
        )
        for variant, forward in variants.items()
    }
    medians = {variant: statistics.median(t) for variant, t in times.items()}
    best = min(medians, key=medians.__getitem__)
    return {
        "op": name,
        "dtype": dtype,
        "mode": mode,
        "shape": request.get("shape", {}),
        "seconds": medians[best],
        "min": min(times[best]),
        "reps": len(times[best]),
        "variant": best,
        "variants": medians,
    }


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    say({"ready": True, "ops": list(OPS), "threads": torch.get_num_threads(), "versions": {"torch": torch.__version__}})
    for line in sys.stdin:
        text = line.strip()
        if not text:
            continue
        if text.strip('"') == "quit":
            return
        try:
            request = json.loads(text)
            if request["op"] == "quit":
                return
            answer = serve(request)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(answer)


if __name__ == "__main__":
    main()
