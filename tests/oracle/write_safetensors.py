"""Writes tests/golden/safetensors/*: files of the reference implementation and of transformers' sharded save.

Run: python tests/oracle/write_safetensors.py
(Not named safetensors.py: that would hide the package from the scripts beside it.)
"""

import json
import pathlib

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent.parent / "golden" / "safetensors"
OUT.mkdir(parents=True, exist_ok=True)

torch.manual_seed(0)
tensors = {
    "b.half": torch.arange(6, dtype=torch.float16).reshape(2, 3) / 4,
    "a.bytes": torch.tensor([1, 2, 255], dtype=torch.uint8),
    "a.brain": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16),
    "z.float": torch.tensor([[1.0, 2.0], [3.0, -4.5]]),
    "é.int": torch.tensor([7, -8], dtype=torch.int32),
    "signed": torch.tensor([-1, 1, 3], dtype=torch.int8),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
}
save_file(tensors, OUT / "mixed.safetensors", metadata={"format": "pt"})
save_file({"long": torch.tensor([1, 2]), "ok": torch.ones(2)}, OUT / "unsupported.safetensors")

sharded = OUT / "sharded"
sharded.mkdir(exist_ok=True)
# sizes 24, 40, 8, 16, 64 bytes with a limit of 48
state = {name: torch.full((n,), float(i)) for i, (name, n) in enumerate([("w1", 6), ("w0", 10), ("w3", 2), ("w2", 4), ("w4", 16)])}
save_torch_state_dict(state, sharded, filename_pattern="model{suffix}.safetensors", max_shard_size=48)
index = json.loads((sharded / "model.safetensors.index.json").read_text())
print(json.dumps(index, indent=2))
