"""Shared by the oracle scripts: fixed seeds, library versions, JSON and safetensors writing, tiny models.

Writes nothing by itself. The scripts beside it write the files in tests/golden/ that the TypeScript tests
read; they need torch, transformers, peft and safetensors, the tests need none of these.
"""

import json
import os
import platform
import re
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def deterministic(seed: int) -> None:
    """One thread and fixed algorithms, so that a second run writes the same bytes on the same machine."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def versions() -> dict[str, str]:
    import peft
    import transformers

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    text = re.sub(r"\[([^\[\]{}\"]*)\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)  # numbers on one line
    path.write_text(text + "\n", encoding="utf-8")


def without_machine(path: Path) -> None:
    """An adapter_config.json whose base model is named as in this repository, not by its place on this machine."""
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = os.path.relpath(config["base_model_name_or_path"], path.parent.resolve())
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, str(path), metadata={"format": "pt"})
    path.chmod(0o644)


def randomise_small_parameters(model: torch.nn.Module, seed: int) -> None:
    """Norm weights become 1 + 0.3 n, biases 0.3 n: left at 1 and 0 they would hide a missing one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() != 1:
                continue
            noise = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise if name.endswith("bias") else 1 + noise)


def random_ids(vocab: int, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randint(0, vocab, shape, generator=torch.Generator().manual_seed(seed))


def next_token_loss(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of ids[:, 1:] given logits[:, :-1], over both sequences together."""
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max |a - b| over max |b|"""
    return float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp_min(1e-30))


def folder_bytes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
