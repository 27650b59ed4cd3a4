"""The torch side of the GPU benchmark. It writes no file.

    python scripts/bench/gpu.py --device cuda

Prints {"ready": true}, then answers each JSON line on stdin with one JSON line; "quit" ends. {"error": …} says why not.

  {"op": "matmul", "shape": {"m": 8192, "n": 8192, "k": 8192}}  ->  {"seconds": median of a call, "variant": …}

Calls are timed by CUDA events in groups, after warming up, on inputs that rotate so that together they are larger than any
L2. mode: forward (default), backward, both. bf16 on random data throughout, but for adamw, which is f32.

op (shape)                                             what
  environment                                          versions and the GPU
  copy (bytes)                                         within the device
  matmul (m, n, k)                                     x @ W.T
  attention (tokens, heads, kvHeads, headDim)          causal scaled_dot_product_attention
  linear_cross_entropy (tokens, hidden, vocab)         logits, F.cross_entropy, gradient of h; also peakBytes
  rms_norm, swiglu (rows, cols); rope (tokens, heads, headDim); adamw (numel)
  linear (rows, in, out); lora_linear (rows, in, out, rank)
  train (model, adapter, dtype, tokens, length, …)     PEFT from files: the losses of some steps
  finetune (config, rank, batch, length, steps)        a random llama: seconds of a step, peakBytes, first loss
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
import traceback

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.nn.functional as F

L2 = 256e6


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    return parser.parse_args()


ARGS = parse()
DEVICE = torch.device(ARGS.device)
ON_GPU = ARGS.device == "cuda"
BF16 = torch.bfloat16


def say(value: dict) -> None:
    print(json.dumps(value), flush=True)


def rand(*shape: int, dtype=BF16, scale: float = 1.0) -> torch.Tensor:
    return (torch.randn(*shape, device=DEVICE, dtype=torch.float32) * scale).to(dtype)


def sets_for(bytes_: float, most: int = 32) -> int:
    return max(1, min(most, int(-(-L2 // max(1, bytes_))))) if ON_GPU else 1


def group(run, start: int, count: int) -> float:
    """Seconds of one call, of `count` calls in a row."""
    if not ON_GPU:
        began = time.perf_counter()
        for i in range(count):
            run(start + i)
        return (time.perf_counter() - began) / count
    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    before.record()
    for i in range(count):
        run(start + i)
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1e3 / count


def timed(run, quick: bool) -> float:
    if not ON_GPU:
        run(0)
        return group(run, 1, 1)
    once = group(run, 0, 3)
    once = group(run, 3, 2)
    count = max(1, min(200, int(-(-0.01 // once))))
    group(run, 5, min(count, 10))
    return statistics.median(group(run, i * count, count) for i in range(3 if quick else 9))


def best(variants: dict, quick: bool) -> dict:
    """Where torch can say the same thing in several ways, the fastest counts."""
    seconds, errors = {}, {}
    for name, run in variants.items():
        try:
            seconds[name] = timed(run, quick)
        except Exception as error:  # a way that this GPU does not have
            errors[name] = str(error).split("\n")[0]
    if not seconds:
        raise RuntimeError(str(errors))
    name = min(seconds, key=seconds.__getitem__)
    return {"seconds": seconds[name], "variant": name, "variants": seconds, "errors": errors}


def differentiable(makers, forward, mode: str, quick: bool, bytes_: float, variants=None) -> dict:
    """makers() gives the tensors of one set; forward(*tensors) the output."""
    forwards = variants or {"torch": forward}
    sets = [makers() for _ in range(sets_for(bytes_, 4 if mode != "forward" else 32))]
    if mode == "forward":
        return best({n: torch.no_grad()(lambda i, f=f: f(*sets[i % len(sets)])) for n, f in forwards.items()}, quick)
    for tensors in sets:
        for x in tensors:
            if x.is_floating_point():
                x.requires_grad_(True)
    runs = {}
    for name, f in forwards.items():
        outputs = [f(*tensors) for tensors in sets] if mode == "backward" else None
        incoming = [torch.randn_like(f(*tensors)) for tensors in sets]

        def run(i, f=f, outputs=outputs, incoming=incoming):
            tensors = sets[i % len(sets)]
            wanted = [x for x in tensors if x.requires_grad]
            y = outputs[i % len(sets)] if outputs else f(*tensors)
            torch.autograd.grad(y, wanted, incoming[i % len(sets)], retain_graph=outputs is not None)

        runs[name] = run
    return best(runs, quick)


# ---- ops ----------------------------------------------------------------------------------------------------------


def environment(quick, **_):
    facts = {"torch": torch.__version__, "cuda": torch.version.cuda, "python": sys.version.split()[0]}
    if ON_GPU:
        p = torch.cuda.get_device_properties(0)
        facts |= {"gpu": p.name, "multiprocessors": p.multi_processor_count, "l2": getattr(p, "L2_cache_size", 0)}
        facts |= {"cudnn": torch.backends.cudnn.version(), "memory": p.total_memory}
    for name in ("transformers", "peft", "bitsandbytes", "triton"):
        try:
            facts[name] = __import__(name).__version__
        except Exception:
            facts[name] = None
    return {"facts": facts}


def copy(quick, shape, **_):
    a = torch.empty(shape["bytes"], dtype=torch.uint8, device=DEVICE)
    b = torch.zeros_like(a)
    return best({"copy_": lambda i: a.copy_(b) if i % 2 else b.copy_(a)}, quick)


def matmul(quick, shape, **_):
    m, n, k = shape["m"], shape["n"], shape["k"]
    sets = [(rand(m, k), rand(n, k, scale=k**-0.5)) for _ in range(sets_for(2 * (m * k + n * k + m * n)))]
    return best({"linear": torch.no_grad()(lambda i: F.linear(*sets[i % len(sets)]))}, quick)


def attention(quick, shape, mode="forward", **_):
    t, h, g, d = shape["tokens"], shape["heads"], shape["kvHeads"], shape["headDim"]

    def make():
        return [rand(1, t, n, d).transpose(1, 2) for n in (h, g, g)]

    def gqa(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def repeat(q, k, v):
        return F.scaled_dot_product_attention(
            q, k.repeat_interleave(h // g, 1), v.repeat_interleave(h // g, 1), is_causal=True
        )

    variants = {"enable_gqa": gqa, "repeat_kv": repeat}
    if ON_GPU:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        def with_backend(backend):
            def run(q, k, v):
                with sdpa_kernel(backend):
                    return gqa(q, k, v)

            return run

        variants |= {"flash": with_backend(SDPBackend.FLASH_ATTENTION), "cudnn": with_backend(SDPBackend.CUDNN_ATTENTION)}
    return differentiable(make, None, mode, quick, 4 * t * h * d, variants)


def linear_cross_entropy(quick, shape, **_):
    t, c, v = shape["tokens"], shape["hidden"], shape["vocab"]
    h, w = rand(t, c).requires_grad_(True), rand(v, c, scale=c**-0.5)
    labels = torch.randint(0, v, (t,), device=DEVICE)
    labels[4::5] = -100

    def run(_):
        loss = F.cross_entropy((h @ w.T).float(), labels, reduction="sum") / t
        torch.autograd.grad(loss, [h])

    run(0)
    peak = 0
    if ON_GPU:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(0)
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() - before
    return best({"logits": run}, quick) | {"peakBytes": peak}


def rms_norm(quick, shape, mode="forward", **_):
    rows, cols = shape["rows"], shape["cols"]
    w = rand(cols)
    return differentiable(
        lambda: [rand(rows, cols)], lambda x: F.rms_norm(x, (cols,), w, 1e-5), mode, quick, 4 * rows * cols
    )


def swiglu(quick, shape, mode="forward", **_):
    rows, cols = shape["rows"], shape["cols"]
    make = lambda: [rand(rows, cols), rand(rows, cols)]
    return differentiable(make, lambda gate, up: F.silu(gate) * up, mode, quick, 6 * rows * cols)


def rope(quick, shape, mode="forward", **_):
    t, h, d = shape["tokens"], shape["heads"], shape["headDim"]
    cos, sin = rand(t, 1, d), rand(t, 1, d)

    def forward(x):  # as transformers' apply_rotary_pos_emb
        return x * cos + torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin

    return differentiable(lambda: [rand(t, h, d)], forward, mode, quick, 4 * t * h * d)


def adamw(quick, shape, **_):
    variants = {}
    for name in ("fused", "foreach"):
        p = torch.nn.Parameter(rand(shape["numel"], dtype=torch.float32))
        p.grad = rand(shape["numel"], dtype=torch.float32)
        step = torch.optim.AdamW([p], lr=1e-4, weight_decay=0.01, **{name: True}).step
        variants[name] = lambda i, step=step: step()
    return best(variants, quick)


def linear(quick, shape, mode="forward", **_):
    rows, inner, out = shape["rows"], shape["in"], shape["out"]
    ws = [rand(out, inner, scale=inner**-0.5) for _ in range(sets_for(2 * inner * out))]
    x = rand(rows, inner)
    return best({"linear": torch.no_grad()(lambda i: F.linear(x, ws[i % len(ws)]))}, quick)


def lora_linear(quick, shape, mode="both", **_):
    rows, inner, out, rank = shape["rows"], shape["in"], shape["out"], shape["rank"]
    w = rand(out, inner, scale=inner**-0.5)
    make = lambda: [rand(rows, inner), rand(rank, inner, scale=inner**-0.5), rand(out, rank, scale=0.02)]
    forward = lambda x, a, b: F.linear(x, w) + F.linear(F.linear(x, a), b) * 2.0
    return differentiable(make, forward, mode, quick, 6 * rows * inner)


# ---- training -----------------------------------------------------------------------------------------------------


def train(model, adapter, dtype, tokens, length, learningRate, weightDecay, **_):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    kind = BF16 if dtype == "bf16" else torch.float32
    base = AutoModelForCausalLM.from_pretrained(model, dtype=kind, attn_implementation="sdpa").to(DEVICE)
    base.config.use_cache = False
    peft_model = PeftModel.from_pretrained(base, adapter, is_trainable=True)
    trained = [p for p in peft_model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learningRate, weight_decay=weightDecay)
    losses = []
    for step in tokens:
        ids = torch.tensor(step, device=DEVICE).view(-1, length)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(ARGS.device, BF16, enabled=dtype == "bf16"):
            loss = peft_model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return {"losses": losses}


def finetune(config, rank, batch, length, steps, checkpointing, seed=0, **_):
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    if ON_GPU:
        torch.cuda.reset_peak_memory_stats()
    settings = LlamaConfig(**{k: v for k, v in config.items() if k != "model_type"}, attn_implementation="sdpa")
    before = torch.get_default_dtype()
    torch.set_default_dtype(BF16)
    try:
        with torch.device(DEVICE):
            base = LlamaForCausalLM(settings)
    finally:
        torch.set_default_dtype(before)
    base.config.use_cache = False
    if checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names, task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=ON_GPU)
    times, first = [], None
    for _step in range(steps + 2):
        ids = torch.randint(0, config["vocab_size"], (batch, length), device=DEVICE)
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(ARGS.device, BF16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        first = float(loss.detach()) if first is None else first
        if ON_GPU:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() if ON_GPU else 0
    return {"seconds": statistics.median(times[2:]), "peakBytes": peak, "loss": first, "dtype": str(trained[0].dtype)}


OPS = {
    f.__name__: f
    for f in (
        environment,
        copy,
        matmul,
        attention,
        linear_cross_entropy,
        rms_norm,
        swiglu,
        rope,
        adamw,
        linear,
        lora_linear,
        train,
        finetune,
    )
}


def main() -> None:
    torch.manual_seed(0)
    say({"ready": True, "device": ARGS.device})
    for line in sys.stdin:
        line = line.strip()
        if line in ("", "quit"):
            if line == "quit":
                return
            continue
        try:
            request = json.loads(line)
            say(OPS[request.pop("op")](**request))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            say({"error": f"{type(error).__name__}: {error}"[:500]})
        gc.collect()
        if ON_GPU:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
