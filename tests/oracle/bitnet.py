"""BitNet checkpoints by transformers, and what it computes with ours.

    python tests/oracle/bitnet.py goldens             writes tests/golden/bitnet/<name>/ and <name>.json: the logits of ten tokens
    python tests/oracle/bitnet.py checkpoints <folder>   the same, larger, with a plain one, for `bun run oracle bitnet`
    python tests/oracle/bitnet.py logits <folder>     prints the logits of a checkpoint, and which layers it made of what
    python tests/oracle/bitnet.py adapter <folder> <adapter>   the same with a PEFT adapter

  bitlinear      packed, layers that stay packed (weight_scale = 1/mean|W|)
  autobitlinear  unpacked, as earlier transformers saved what they read so: trits as floats (weight_scale = mean|W|)
  packed-auto    packed, read by the class of plain layers, as microsoft/bitnet-b1.58-2B-4T
  online         the weights that are trained, in bfloat16
  normed         online, with an RMS norm before each layer
  model-type     packed, of the model type bitnet, as microsoft/bitnet-b1.58-2B-4T
"""

import json
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # the same functions, without a compiler

from common import GOLDEN, deterministic, randomise_small_parameters, write_json

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitNetConfig, BitNetForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, pack_weights

IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 30]
SIZES = dict(vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
LARGER = dict(vocab_size=96, hidden_size=128, intermediate_size=320, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def plain_model(sizes: dict) -> LlamaForCausalLM:
    torch.manual_seed(5)
    config = LlamaConfig(**sizes, max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.3)
    model = LlamaForCausalLM(config)
    randomise_small_parameters(model, 6)
    return model.to(torch.bfloat16).float()


def bitnet_model(sizes: dict) -> BitNetForCausalLM:
    torch.manual_seed(5)
    config = BitNetConfig(**sizes, max_position_embeddings=64, tie_word_embeddings=True, initializer_range=0.3, bos_token_id=1, eos_token_id=2)
    model = BitNetForCausalLM(config)
    randomise_small_parameters(model, 6)
    return model


def save_folder(folder: Path, model, tensors: dict, quantization: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = json.loads(model.config.to_json_string())
    write_json(folder / "config.json", {**config, "quantization_config": {"quant_method": "bitnet", **quantization}})


def ternary(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = weight.abs().mean().clamp(min=1e-5)
    return (weight / mean).round().clamp(-1, 1), mean


def write_packed(folder: Path, model, linear_class: str) -> None:
    tensors = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    for name in list(tensors):
        if name.split(".")[-2] in LINEAR:
            trits, mean = ternary(tensors[name])
            tensors[name] = pack_weights(trits)
            scale = 1 / mean if linear_class == "bitlinear" else mean
            tensors[name.replace(".weight", ".weight_scale")] = scale.reshape(1)
    save_folder(folder, model, tensors, {"linear_class": linear_class, "quantization_mode": "offline", "modules_to_not_convert": ["lm_head"]})


def write_online(folder: Path, sizes: dict, normed: bool) -> None:
    model = plain_model(sizes).to(torch.bfloat16)
    tensors = dict(model.state_dict())
    generator = torch.Generator().manual_seed(9)
    if normed:
        for name in list(tensors):
            if name.split(".")[-2] in LINEAR:
                norm = 1 + 0.3 * torch.randn(tensors[name].shape[1], generator=generator)
                tensors[name.replace(".weight", ".rms_norm.weight")] = norm.to(torch.bfloat16)
    quantization = {"linear_class": "autobitlinear", "quantization_mode": "online", "use_rms_norm": normed, "rms_norm_eps": 1e-5}
    save_folder(folder, model, tensors, {**quantization, "modules_to_not_convert": ["lm_head"]})


def open_model(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits_of(model) -> list[float]:
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].reshape(-1).tolist()


def resave(folder: Path) -> None:
    """As transformers itself writes the checkpoint that it loaded."""
    dtype = torch.bfloat16 if folder.name in ("online", "normed") else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)


def write_unpacked(source: Path, folder: Path) -> None:
    """transformers 5 unpacks a checkpoint that it reads as plain layers, and cannot save it; earlier ones could."""
    config = json.loads((source / "config.json").read_text())["quantization_config"]
    model = open_model(source)
    save_folder(folder, model, model.state_dict(), config)


def write_all(folder: Path, sizes: dict) -> dict[str, list[float]]:
    write_packed(folder / "bitlinear", plain_model(sizes), "bitlinear")
    write_packed(folder / "packed-auto", plain_model(sizes), "autobitlinear")
    write_packed(folder / "model-type", bitnet_model(sizes), "autobitlinear")
    write_unpacked(folder / "packed-auto", folder / "autobitlinear")
    write_online(folder / "online", sizes, False)
    write_online(folder / "normed", sizes, True)
    for name in ("bitlinear", "online", "normed"):
        resave(folder / name)
    names = ("bitlinear", "packed-auto", "autobitlinear", "online", "normed", "model-type")
    return {name: logits_of(open_model(folder / name)) for name in names}


def main() -> None:
    deterministic(0)
    what, *rest = sys.argv[1:]
    if what == "goldens":
        folder = GOLDEN / "bitnet"
        for name, logits in write_all(folder, SIZES).items():
            write_json(folder / f"{name}.json", {"ids": IDS, "logits": logits})
    elif what == "checkpoints":
        folder = Path(rest[0])
        logits = write_all(folder, LARGER)
        plain_model(LARGER).save_pretrained(folder / "plain")
        (folder / "logits.json").write_text(json.dumps({"ids": IDS, "logits": logits}))
    else:
        model = open_model(Path(rest[0]))
        classes = {"bitlinear": BitLinear, "autobitlinear": AutoBitLinear}
        counts = {name: sum(isinstance(m, kind) for m in model.modules()) for name, kind in classes.items()}
        if what == "adapter":
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, rest[1]).eval()
        print(json.dumps({"ids": IDS, "logits": logits_of(model), **counts}))


main()
