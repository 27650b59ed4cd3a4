"""The Python side of the optimizer benchmark. It writes no file.

    python scripts/bench/adapters/optimizers_peer.py [--threads 2]

Prints {"ready": true, "optimizers": {name: [variant, …]}, …} with what is installed, then answers each JSON line on stdin:
  {"optimizer": "lion", "variant": "lion-pytorch", "shapes": [[8, 576], …]} -> {"seconds": median of three steps}
  with "steps": 10 -> {"seconds": mean of ten}
"quit" ends. A line it cannot serve is answered with {"error": …}.
"""

import argparse
import json
import os
import statistics
import sys
import time

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--threads", type=int, default=2)
ARGS = PARSER.parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # read when torch is imported
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch

COMMON = {"lr": 1e-4, "weight_decay": 0.01}
VERSIONS = {"torch": torch.__version__}


def build() -> dict:
    optim = torch.optim
    made = {
        "adamw": {"torch, fused": lambda p: optim.AdamW(p, fused=True, **COMMON)},
        "sgd": {"torch": lambda p: optim.SGD(p, momentum=0.9, **COMMON)},
        "rmsprop": {"torch": lambda p: optim.RMSprop(p, **COMMON)},
    }
    if hasattr(optim, "Muon"):
        made["muon"] = {"torch": lambda p: optim.Muon(p, **COMMON)}
    try:
        import bitsandbytes as bnb

        VERSIONS["bitsandbytes"] = bnb.__version__
        made["adamw_8bit"] = {"bitsandbytes": lambda p: bnb.optim.AdamW8bit(p, **COMMON)}
        made["lion"] = {"bitsandbytes": lambda p: bnb.optim.Lion32bit(p, **COMMON)}
        made["lion_8bit"] = {"bitsandbytes": lambda p: bnb.optim.Lion8bit(p, **COMMON)}
    except ImportError:
        pass
    try:
        from lion_pytorch import Lion

        made.setdefault("lion", {})["lion-pytorch"] = lambda p: Lion(p, **COMMON)
    except ImportError:
        pass
    try:
        from schedulefree import AdamWScheduleFree

        made["schedule_free"] = {"schedulefree": lambda p: AdamWScheduleFree(p, **COMMON)}
    except ImportError:
        pass
    try:
        from pytorch_optimizer import SOAP

        # Of a factor of LoRA only the short side, as ours.
        made["soap"] = {"pytorch_optimizer": lambda p: SOAP(p, max_precondition_dim=128, **COMMON)}
    except ImportError:
        pass
    try:
        from transformers.optimization import Adafactor

        made["adafactor"] = {
            "transformers": lambda p: Adafactor(p, scale_parameter=False, relative_step=False, **COMMON)
        }
    except ImportError:
        pass
    return made


def serve(request: dict, optimizers: dict, open_ones: dict) -> dict:
    key = json.dumps(request)
    if key not in open_ones:
        open_ones.clear()
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in request["shapes"]]
        gradients = [torch.randn_like(p) * 0.01 for p in parameters]
        optimizer = optimizers[request["optimizer"]][request["variant"]](parameters)
        if hasattr(optimizer, "train"):
            optimizer.train()
        open_ones[key] = (parameters, gradients, optimizer)
    parameters, gradients, optimizer = open_ones[key]
    times = []
    for _ in range(request.get("steps", 3)):
        for p, g in zip(parameters, gradients):
            p.grad = g
        start = time.perf_counter()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.mean(times) if "steps" in request else statistics.median(times)}


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    optimizers = build()
    names = {name: list(variants) for name, variants in optimizers.items()}
    print(json.dumps({"ready": True, "optimizers": names, "versions": VERSIONS}), flush=True)
    open_ones: dict = {}
    for line in sys.stdin:
        text = line.strip()
        if not text:
            continue
        if text == "quit":
            return
        try:
            answer = serve(json.loads(text), optimizers, open_ones)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
