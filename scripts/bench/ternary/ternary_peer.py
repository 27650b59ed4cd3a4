"""The Python side of the benchmark of trit vectors: torchhd (Heddes et al. 2023, JMLR 24) on the CPU. It writes no file.

    python scripts/bench/ternary/ternary_peer.py [--threads 2]

Prints {"ready": true, "versions": {…}}, then answers each JSON line on stdin:
  {"op": "bind", "dtype": "float32", "rows": 1000, "others": 1000, "dims": 10000} -> {"seconds": median of three}
"quit" ends. A line it cannot serve is answered with {"error": …}.

torchhd has no ternary vectors; those of MAP (−1 and 1, one number a dimension) are the nearest: bind is the product, bundle the sum with
its sign.
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

import torch
import torchhd
from importlib.metadata import version

OPS = {
    "bind": lambda a, b: torchhd.bind(a, b),
    "bundle": lambda a, b: torchhd.normalize(torchhd.multiset(a)),
    "similarity": lambda a, b: torchhd.dot_similarity(a, b),
    "permute": lambda a, b: torchhd.permute(a, shifts=7),
}


def serve(request: dict, kept: dict) -> dict:
    key = json.dumps(request)
    if key not in kept:
        kept.clear()
        torch.manual_seed(0)
        dtype = getattr(torch, request["dtype"])
        kept[key] = [
            torchhd.random(count, request["dims"], "MAP", dtype=dtype) for count in (request["rows"], request["others"])
        ]
    a, b = kept[key]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        OPS[request["op"]](a, b)
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times)}


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    versions = {"torch": torch.__version__, "torchhd": version("torch-hd")}
    print(json.dumps({"ready": True, "versions": versions}), flush=True)
    kept: dict = {}
    for line in sys.stdin:
        text = line.strip()
        if not text:
            continue
        if text == "quit":
            return
        try:
            answer = serve(json.loads(text), kept)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
