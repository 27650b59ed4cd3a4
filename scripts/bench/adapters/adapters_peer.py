"""The PEFT side of `bench adapters` and `bench moe`: whole training steps of any method on a random model. It writes no file.

    python scripts/bench/adapters/adapters_peer.py --shape <JSON of the model's config> [--batch 4] [--length 512] [--threads 2]

f32, AdamW, clipping at 1, sdpa attention, random token ids. It talks JSON lines:
  on start     {"ready": true}
  an object    fields of adapter_config.json: puts this adapter on the model, alone -> {"ready": true}, or {"ready": false, "why"}
  "step"       one whole training step -> {"seconds", "loss"}
  "quit"       ends
"""

import argparse
import json
import os
import sys
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--shape", required=True, type=json.loads)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=512)
parser.add_argument("--threads", type=int, default=2)
ARGS = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # read when torch is imported
warnings.filterwarnings("ignore")

import peft
import torch
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def say(value: dict) -> None:
    print(json.dumps(value), flush=True)


def config_of(fields: dict) -> peft.PeftConfig:
    kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[fields["peft_type"]]
    known = {k: v for k, v in fields.items() if k in kind.__dataclass_fields__ and v is not None and k != "peft_type"}
    if known.get("target_modules") == "all-linear":
        known["target_modules"] = TARGETS
    if "feedforward_modules" in known:
        known["feedforward_modules"] = [name for name in TARGETS if name in known["feedforward_modules"]]
    return kind(task_type="CAUSAL_LM", **known)


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    torch.manual_seed(0)
    config = AutoConfig.for_model(**({"model_type": "llama"} | ARGS.shape), use_cache=False)
    base = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    ids = torch.randint(0, base.config.vocab_size, (ARGS.batch, ARGS.length))
    model, trained, optimizer, done = None, [], None, 0
    say({"ready": True})
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            return
        if command == "step":
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            done += 1
            if hasattr(model.base_model, "update_and_allocate"):
                model.base_model.update_and_allocate(done)
            say({"seconds": time.perf_counter() - start, "loss": float(loss.detach())})
        elif command:
            try:
                if model is not None:  # of a whole model it changes no layer
                    model.unload() if hasattr(model.base_model, "unload") else None
                config = config_of(json.loads(command))
                base.requires_grad_(False)
                model = get_peft_model(base, config).train()
                trained = [p for p in model.parameters() if p.requires_grad]
                optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
                done = 0
                say({"ready": True})
            except Exception as error:  # the next method may do
                say({"ready": False, "why": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
