"""
Loads a pushed adapter as its card says, `AutoPeftModelForCausalLM.from_pretrained("org/name")`, from the hub of HF_ENDPOINT, and writes
the logits of some ids: auto_peft.py <org/name> <ids, comma-separated> <output.safetensors>
"""
import sys

import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import save_file

name, ids, output = sys.argv[1:]
model = AutoPeftModelForCausalLM.from_pretrained(name, dtype=torch.float32)
model.eval()
with torch.no_grad():
    logits = model(torch.tensor([[int(i) for i in ids.split(",")]])).logits[0]
save_file({"logits": logits.contiguous()}, output)
