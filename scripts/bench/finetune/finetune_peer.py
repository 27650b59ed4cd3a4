"""The torch + transformers + PEFT side of the end-to-end benchmark. It writes no file.

    python scripts/bench/finetune/finetune_peer.py --model <folder or .gguf> --dtype f32|bf16 --checkpointing 0|1
        [--batch 4] [--length 512] [--rank 16] [--steps 20] [--threads 2] [--quantizer none|nf4] [--adapter-dtype auto|f32|bf16] [--compile 0|1]

LoRA (rank r, alpha 2 r, dropout 0) on q,k,v,o,gate,up,down; AdamW; sdpa attention; no KV cache; random token ids
from a fixed seed (--steps different batches, then from the start again). bf16 means: base model in bf16 and, as
Trainer(bf16=True) does it, adapters in f32 under autocast; --adapter-dtype bf16 keeps everything in bf16.
--compile 1: torch.compile of the whole model, done (some minutes) before "ready" and not counted as memory of training.

It talks JSON lines so that a driver can take turns with another program:
  on start   {"ready": true, "versions": …, …}
  "step"     one whole training step  -> {"seconds": …, "loss": …, "gradNorm": …}
  "memory"   -> {"peakRssBytes": …, "trainPeakRssBytes": …, "baseRssBytes": …, "loadedRssBytes": …}
             peak: ru_maxrss since the start; trainPeak: since "ready", without what loading needed;
             base: after the imports, before the model; loaded: at "ready"
  "quit"     ends
"""

import argparse
import contextlib
import ctypes
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--adapter-dtype", choices=["auto", "f32", "bf16"], default="auto")
    parser.add_argument("--quantizer", choices=["none", "nf4"], default="none")
    parser.add_argument("--compile", type=int, choices=[0, 1], default=0)
    parser.add_argument("--checkpointing", type=int, choices=[0, 1], default=0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


ARGS = parse()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # read when torch is imported

import warnings

warnings.filterwarnings("ignore")

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def say(value: dict) -> None:
    print(json.dumps(value), flush=True)


def rss(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process, in bytes"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def trim() -> None:
    """Gives what malloc keeps back to the system, so that the peak of training does not include it"""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def load(dtype: torch.dtype):
    options = dict(dtype=dtype, attn_implementation="sdpa")
    if ARGS.quantizer == "nf4":
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    if ARGS.model.is_file():
        return AutoModelForCausalLM.from_pretrained(
            str(ARGS.model.parent.resolve()), gguf_file=ARGS.model.name, **options
        )
    return AutoModelForCausalLM.from_pretrained(str(ARGS.model.resolve()), **options)


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    torch.manual_seed(ARGS.seed)
    base_rss = rss("VmRSS")

    bf16 = ARGS.dtype == "bf16"
    model = load(torch.bfloat16 if bf16 else torch.float32)
    model.config.use_cache = False
    if ARGS.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    config = LoraConfig(
        r=ARGS.rank, lora_alpha=2 * ARGS.rank, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"
    )
    all_bf16 = bf16 and ARGS.adapter_dtype == "bf16"
    model = get_peft_model(model, config, autocast_adapter_dtype=not all_bf16)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=ARGS.lr, weight_decay=0.01, fused=True)

    def autocast():
        return torch.autocast("cpu", torch.bfloat16) if bf16 and not all_bf16 else contextlib.nullcontext()

    generator = torch.Generator().manual_seed(ARGS.seed)
    shape = (ARGS.steps, ARGS.batch, ARGS.length)
    batches = torch.randint(0, model.config.vocab_size, shape, generator=generator)

    if ARGS.compile:
        model = torch.compile(model)
        # Compiles the graphs of both ways; nothing is updated, so the first step is that of the other side.
        for _ in range(2):
            with autocast():
                model(input_ids=batches[0], labels=batches[0]).loss.backward()
            optimizer.zero_grad(set_to_none=True)
        gc.collect()
        trim()

    # From here on VmHWM counts from the present size ("5" resets the peak; Linux only).
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    say(
        {
            "ready": True,
            "dtype": ARGS.dtype,
            "adapterDtype": str(trained[0].dtype).removeprefix("torch."),
            "checkpointing": bool(ARGS.checkpointing),
            "threads": torch.get_num_threads(),
            "tokensPerStep": ARGS.batch * ARGS.length,
            "trainableParameters": sum(p.numel() for p in trained),
            "versions": {
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "peft": peft.__version__,
            },
        }
    )
    loaded_rss = rss("VmRSS")

    def step(index: int) -> dict:
        ids = batches[index % ARGS.steps]
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        value = float(loss.detach())
        return {"seconds": time.perf_counter() - start, "loss": value, "gradNorm": float(norm)}

    done = 0
    for line in sys.stdin:
        command = line.strip().strip('"')
        if command == "step":
            say(step(done))
            done += 1
        elif command == "memory":
            say(
                {
                    "peakRssBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    "trainPeakRssBytes": rss("VmHWM"),
                    "baseRssBytes": base_rss,
                    "loadedRssBytes": loaded_rss,
                }
            )
        elif command == "quit":
            return
        elif command:
            say({"error": f"unknown command {command!r}: step, memory or quit"})


if __name__ == "__main__":
    main()
