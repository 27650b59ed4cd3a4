"""Tiny llama checkpoints with packed weights, and what they compute.

    python tests/oracle/quantized_checkpoints.py

Writes tests/golden/quantized/<name>/ (config.json, model.safetensors) and <name>.json: for each layer the sum and some numbers
of the weight in float64, and the logits of ten tokens in float64 with those weights.
  nf4, fp4, int8     saved by transformers with bitsandbytes (nf4 double-quantized; int8 with a skipped module)
  nf4-bf16           the same codes stored as bfloat16 (bnb_4bit_quant_storage)
  gptq*, awq         written here, word by word, as the formats are:
    qweight (in·bits/32, out) int32, the first of 32/bits inputs in the lowest bits; qzeros (groups, out·bits/32), zero − 1 in the
    first GPTQ format; scales (groups, out) float16; g_idx (in): the group of each input, in any order with desc_act.
    AWQ (gemm): qweight (in, out/8), qzeros (groups, out/8), eight outputs in the order 0 2 4 6 1 3 5 7.
"""

import json
import shutil

from common import GOLDEN, deterministic, write_json

import bitsandbytes.functional as F
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

OUT = GOLDEN / "quantized"
IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 30]
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
CONFIG = dict(
    vocab_size=32,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=64,
    tie_word_embeddings=False,
    initializer_range=0.3,
)


def plain_model() -> LlamaForCausalLM:
    torch.manual_seed(5)
    return LlamaForCausalLM(LlamaConfig(**CONFIG)).to(torch.bfloat16)


def linear_names(model) -> list[str]:
    return [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]


def write_reference(name: str, weights: dict[str, torch.Tensor]) -> None:
    """Logits of the plain model in float64 with these weights (out, in)."""
    model = LlamaForCausalLM(LlamaConfig(**CONFIG)).double()
    model.load_state_dict(plain_model().state_dict())
    with torch.no_grad():
        for module, weight in weights.items():
            model.get_submodule(module).weight.copy_(weight)
        logits = model(torch.tensor([IDS])).logits[0]
    facts = {n: {"sum": w.sum().item(), "first": w.reshape(-1)[:8].tolist(), "last": w[-1, -4:].tolist()} for n, w in weights.items()}
    write_json(OUT / f"{name}.json", {"ids": IDS, "weights": facts, "logits": logits.reshape(-1).tolist()})


def four_bit(tensors: dict, name: str, kind: str) -> torch.Tensor:
    state = json.loads(bytes(tensors[f"{name}.quant_state.bitsandbytes__{kind}"].tolist()))
    absmax = tensors[f"{name}.absmax"]
    if "nested_offset" in state:
        scale = tensors[f"{name}.nested_absmax"].double().repeat_interleave(256)[: absmax.numel()]
        absmax = tensors[f"{name}.nested_quant_map"][absmax.long()].double() * scale + state["nested_offset"]
    packed = tensors[name].view(torch.uint8).reshape(-1).long()
    codes = torch.stack([packed >> 4, packed & 15], 1).reshape(-1)
    values = tensors[f"{name}.quant_map"].double()[codes]
    return (values * absmax.double().repeat_interleave(state["blocksize"])[: values.numel()]).reshape(state["shape"])


def bitsandbytes_folder(name: str, **options) -> None:
    folder = OUT / name
    source = OUT / "source"
    plain_model().save_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=BitsAndBytesConfig(**options), dtype=torch.bfloat16)
    model.save_pretrained(folder)
    shutil.rmtree(source)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tensors = load_file(folder / "model.safetensors")
    weights = {}
    for module in linear_names(plain_model()):
        weight = f"{module}.weight"
        if f"{module}.SCB" in tensors:
            weights[module] = tensors[weight].double() * tensors[f"{module}.SCB"].double()[:, None] / 127
        elif f"{weight}.absmax" in tensors:
            weights[module] = four_bit(tensors, weight, options.get("bnb_4bit_quant_type", "fp4"))
        else:
            weights[module] = tensors[weight].double()
    write_reference(name, weights)


def pack(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """Along the first axis, the first in the lowest bits."""
    per = 32 // bits
    words = torch.zeros(codes.shape[0] // per, codes.shape[1], dtype=torch.int64)
    for j in range(per):
        words |= codes[j::per].long() << (bits * j)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def grouped_folder(name: str, config: dict, *, bits: int, group: int, symmetric: bool, act_order: bool = False) -> None:
    awq = config["quant_method"] == "awq"
    model = plain_model()
    tensors = {k: v.half() for k, v in model.state_dict().items()}
    weights = {}
    generator = torch.Generator().manual_seed(bits + group)
    for module in linear_names(model):
        w = tensors.pop(f"{module}.weight").double().T.contiguous()  # (in, out)
        inputs, outputs = w.shape
        size = inputs if group == -1 else group
        groups = inputs // size
        g_idx = torch.arange(inputs) // size
        if act_order:
            g_idx = g_idx[torch.randperm(inputs, generator=generator)]
        top = 2**bits - 1
        scales = torch.zeros(groups, outputs, dtype=torch.float16)
        zeros = torch.zeros(groups, outputs, dtype=torch.int64)
        for g in range(groups):
            part = w[g_idx == g]
            if symmetric:
                scales[g] = (2 * part.abs().amax(0) / top).half()
                zeros[g] = 2 ** (bits - 1)
            else:
                low, high = part.amin(0).clamp(max=0), part.amax(0).clamp(min=0)
                scales[g] = ((high - low) / top).half()
                zeros[g] = (-low / scales[g].double()).round().clamp(1, top).long()
        s, z = scales.double()[g_idx], zeros[g_idx]
        codes = ((w / s).round() + z).clamp(0, top).long()
        weights[module] = ((codes - z) * s).T.contiguous()
        if awq:
            order = torch.arange(outputs).reshape(-1, 8)[:, AWQ_ORDER].reshape(-1)
            tensors[f"{module}.qweight"] = pack(codes[:, order].T, 4).T.contiguous()
            tensors[f"{module}.qzeros"] = pack(zeros[:, order].T, 4).T.contiguous()
        else:
            stored = zeros if config.get("checkpoint_format") == "gptq_v2" else (zeros - 1) & top
            tensors[f"{module}.qweight"] = pack(codes, bits)
            tensors[f"{module}.qzeros"] = pack(stored.T, bits).T.contiguous()
            tensors[f"{module}.g_idx"] = g_idx.to(torch.int32)
        tensors[f"{module}.scales"] = scales
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    text = {**LlamaConfig(**CONFIG).to_dict(), "architectures": ["LlamaForCausalLM"], "dtype": "float16", "quantization_config": config}
    write_json(folder / "config.json", text)
    write_reference(name, weights)


def main() -> None:
    deterministic(5)
    shutil.rmtree(OUT, ignore_errors=True)
    nested = dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    bitsandbytes_folder("nf4", **nested)
    bitsandbytes_folder("nf4-bf16", **nested, bnb_4bit_quant_storage=torch.bfloat16)
    bitsandbytes_folder("fp4", load_in_4bit=True, bnb_4bit_quant_type="fp4")
    bitsandbytes_folder("int8", load_in_8bit=True, llm_int8_skip_modules=["lm_head", "down_proj"])
    gptq = {"quant_method": "gptq", "sym": True, "desc_act": False}
    grouped_folder("gptq4", {**gptq, "bits": 4, "group_size": 16}, bits=4, group=16, symmetric=True)
    act = {**gptq, "bits": 4, "group_size": 8, "desc_act": True, "sym": False, "checkpoint_format": "gptq"}
    grouped_folder("gptq4-act-order", act, bits=4, group=8, symmetric=False, act_order=True)
    v2 = {**gptq, "bits": 4, "group_size": 16, "sym": False, "checkpoint_format": "gptq_v2"}
    grouped_folder("gptq4-v2", v2, bits=4, group=16, symmetric=False)
    grouped_folder("gptq8", {**gptq, "bits": 8, "group_size": -1}, bits=8, group=-1, symmetric=True)
    awq = {"quant_method": "awq", "bits": 4, "group_size": 16, "zero_point": True, "version": "gemm"}
    grouped_folder("awq", awq, bits=4, group=16, symmetric=False)
    print(sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main()
