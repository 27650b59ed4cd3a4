"""The tritter transformer in plain PyTorch, and what it gives: logits, loss and gradients of a tiny random model in float64.

    python tests/oracle/tritter.py

No library has this model, so it is written here from its description, with nothing taken from the TypeScript:

    h   = E[ids]
    a   = LN1(h);  q, k, v = a·Wqᵀ, a·Wkᵀ, a·Wvᵀ, in heads of d channels
    q,k = RoPE(RMS_q(q)), RoPE(RMS_k(k))            the norms act on each head, before it is turned
    h   = h + softmax(q·kᵀ/√d, causal)·v·Woᵀ         each key-value head serves heads/kv heads
    b   = LN2(h);  h = h + (relu(g)·g ⊙ u)·Wdᵀ      g = b·Wgᵀ, u = b·Wuᵀ
    y   = LN(h)·Wheadᵀ                               a head of its own

Writes tests/golden/models/tritter/: config.json, model.safetensors (float32), expected.safetensors as models.py does, where
logits, loss and gradients are those of float64, rounded once.
"""

import shutil

from common import GOLDEN, deterministic, next_token_loss, random_ids, relative, versions, write_json, write_tensors

import torch

CONFIG = dict(
    architectures=["TritterForCausalLM"],
    model_type="tritter",
    vocab_size=101,
    hidden_size=32,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    layer_norm_eps=1e-5,
    rope_theta=10000.0,
    hidden_act="relu2",
    tie_word_embeddings=False,
    dropout=0.1,
    use_bitnet=False,
    initializer_range=0.02,
    bos_token_id=1,
    eos_token_id=2,
)
HIDDEN, HEADS, KV, MLP = 32, 4, 2, 44
D = HIDDEN // HEADS


def shapes():
    yield "model.embed_tokens.weight", (CONFIG["vocab_size"], HIDDEN)
    for i in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{p}{norm}.weight", (HIDDEN,)
            yield f"{p}{norm}.bias", (HIDDEN,)
        yield f"{p}self_attn.q_proj.weight", (HEADS * D, HIDDEN)
        yield f"{p}self_attn.k_proj.weight", (KV * D, HIDDEN)
        yield f"{p}self_attn.v_proj.weight", (KV * D, HIDDEN)
        yield f"{p}self_attn.o_proj.weight", (HIDDEN, HEADS * D)
        yield f"{p}self_attn.q_norm.weight", (D,)
        yield f"{p}self_attn.k_norm.weight", (D,)
        yield f"{p}mlp.gate_proj.weight", (MLP, HIDDEN)
        yield f"{p}mlp.up_proj.weight", (MLP, HIDDEN)
        yield f"{p}mlp.down_proj.weight", (HIDDEN, MLP)
    yield "model.norm.weight", (HIDDEN,)
    yield "model.norm.bias", (HIDDEN,)
    yield "lm_head.weight", (CONFIG["vocab_size"], HIDDEN)


def draw(seed: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)

    def one(name, shape):
        noise = 0.3 * torch.randn(shape, generator=g)
        return 1 + noise if len(shape) == 1 and name.endswith("weight") else noise

    return {name: one(name, shape) for name, shape in shapes()}


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def rms_norm(x, weight):
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def turn(x, theta):
    """x (B, T, heads, D): channel i and i + D/2 are one plane, turned by position · theta^(−2i/D)."""
    half = D // 2
    frequency = theta ** (-torch.arange(half, dtype=torch.float64) * 2 / D)
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * frequency
    cos, sin = (f(angle).to(x.dtype)[None, :, None, :] for f in (torch.cos, torch.sin))
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def forward(w, ids):
    theta = CONFIG["rope_theta"]
    batch, length = ids.shape
    h = w["model.embed_tokens.weight"][ids]
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    for i in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{i}."
        a = layer_norm(h, w[p + "input_layernorm.weight"], w[p + "input_layernorm.bias"])
        q = (a @ w[p + "self_attn.q_proj.weight"].T).view(batch, length, HEADS, D)
        k = (a @ w[p + "self_attn.k_proj.weight"].T).view(batch, length, KV, D)
        v = (a @ w[p + "self_attn.v_proj.weight"].T).view(batch, length, KV, D)
        q = turn(rms_norm(q, w[p + "self_attn.q_norm.weight"]), theta)
        k = turn(rms_norm(k, w[p + "self_attn.k_norm.weight"]), theta)
        mixed = []
        for head in range(HEADS):
            own = head // (HEADS // KV)
            scores = torch.einsum("bid,bjd->bij", q[:, :, head], k[:, :, own]) / D**0.5
            weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
            mixed.append(weights @ v[:, :, own])
        h = h + torch.cat(mixed, -1) @ w[p + "self_attn.o_proj.weight"].T
        b = layer_norm(h, w[p + "post_attention_layernorm.weight"], w[p + "post_attention_layernorm.bias"])
        gate, up = b @ w[p + "mlp.gate_proj.weight"].T, b @ w[p + "mlp.up_proj.weight"].T
        h = h + (gate * gate.relu() * up) @ w[p + "mlp.down_proj.weight"].T
    return layer_norm(h, w["model.norm.weight"], w["model.norm.bias"]) @ w["lm_head.weight"].T


def run(weights, ids, dtype):
    w = {name: value.to(dtype).requires_grad_() for name, value in weights.items()}
    logits = forward(w, ids)
    loss = next_token_loss(logits, ids)
    loss.backward()
    return logits.detach(), loss.detach(), {name: value.grad for name, value in w.items()}


if __name__ == "__main__":
    deterministic(1)
    folder = GOLDEN / "models" / "tritter"
    shutil.rmtree(folder, ignore_errors=True)
    weights = draw(4001)
    ids = random_ids(CONFIG["vocab_size"], (2, 29), 4002)
    logits, loss, grads = run(weights, ids, torch.float64)
    rough, _, rough_grads = run(weights, ids, torch.float32)
    write_json(folder / "config.json", CONFIG)
    write_tensors(folder / "model.safetensors", weights)
    write_tensors(
        folder / "expected.safetensors",
        {"input_ids": ids.to(torch.int32), "logits": logits.float(), "loss": loss.float()}
        | {f"grad.{name}": grad.float() for name, grad in grads.items()},
    )
    noise = {"logits": relative(rough, logits), "worstGrad": max(relative(rough_grads[k], grads[k]) for k in grads)}
    write_json(folder / "expected.json", {"case": "tritter", "loss": float(loss), "noise": noise, "versions": versions()})
    print(f"loss {float(loss):.4f} noise {noise}")
