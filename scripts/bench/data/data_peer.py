"""The Python side of `bench data`: datasets and the fast tokenizers of transformers. It writes into a cache folder that goes with it.

    python scripts/bench/data/data_peer.py <model folder> <sequence length> <processes>

Prints {"ready": true, …}, then answers each JSON line on stdin: {"file", "type"} -> {"seconds", "tokens", "trained", "rows"}.
"quit" ends. Instructions are tokenised in batches, which the tokenizer spreads over its threads; chats, whose templates Python renders, in
processes.
"""

import bisect
import json
import os
import shutil
import sys
import tempfile
import time

MODEL, LENGTH, PROCESSES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CACHE = tempfile.mkdtemp(prefix="tritune-bench-data-")
os.environ["HF_DATASETS_CACHE"] = CACHE
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAYON_NUM_THREADS"] = str(PROCESSES)
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import datasets
import numpy as np
import pyarrow.compute as pc
import transformers

datasets.disable_progress_bars()
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message.content + '<|im_end|>' }}"
    "{% endif %}{{ '\n' }}{% endfor %}"
)
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:\n"
)
ALONE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n{}\n\n### Response:\n"
)


def tokenizer(kind: str):
    made = transformers.AutoTokenizer.from_pretrained(MODEL)
    if kind == "chat_template":
        made.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
        made.chat_template = CHATML
    return made


def instructions(tok):
    def encode(batch):
        prompts = [
            WITH_INPUT.format(asked, given) if given else ALONE.format(asked)
            for asked, given in zip(batch["instruction"], batch["input"])
        ]
        prompt_ids = tok(prompts)["input_ids"]
        answer_ids = tok(batch["output"], add_special_tokens=False)["input_ids"]
        ids = [p + a + [tok.eos_token_id] for p, a in zip(prompt_ids, answer_ids)]
        labels = [[-100] * len(p) + a + [tok.eos_token_id] for p, a in zip(prompt_ids, answer_ids)]
        return {"input_ids": ids, "labels": labels}

    return encode, {"num_proc": None}


def chats(tok):
    def encode(batch):
        ids, labels = [], []
        for messages in batch["messages"]:
            out = tok.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
            ids.append(out["input_ids"])
            labels.append([i if m else -100 for i, m in zip(out["input_ids"], out["assistant_masks"])])
        return {"input_ids": ids, "labels": labels}

    return encode, {"num_proc": PROCESSES}


def packed(lengths) -> int:
    """Best-fit decreasing: the number of rows."""
    free = []
    for length in sorted(lengths, reverse=True):
        at = bisect.bisect_left(free, length)
        room = LENGTH if at == len(free) else free.pop(at)
        bisect.insort(free, room - length)
    return len(free)


def serve(file: str, kind: str) -> dict:
    shutil.rmtree(CACHE, ignore_errors=True)
    began = time.perf_counter()
    tok = tokenizer(kind)
    loader = "parquet" if file.endswith(".parquet") else "json"
    data = datasets.load_dataset(loader, data_files=file, split="train")
    encode, how = chats(tok) if kind == "chat_template" else instructions(tok)
    data = data.map(encode, batched=True, remove_columns=data.column_names, load_from_cache_file=False, **how)
    lengths = pc.list_value_length(data.data.column("input_ids")).to_numpy()
    fitting = lengths[lengths <= LENGTH]
    rows = packed(fitting.tolist())
    seconds = time.perf_counter() - began
    trained = sum(int((np.asarray(labels[1:]) != -100).sum()) for labels in data["labels"] if len(labels) <= LENGTH)
    return {"seconds": seconds, "tokens": int(fitting.sum()), "trained": trained, "rows": rows}


if __name__ == "__main__":
    print(json.dumps({"ready": True, "datasets": datasets.__version__, "transformers": transformers.__version__}), flush=True)
    try:
        for line in sys.stdin:
            if line.strip() == "quit":
                break
            try:
                asked = json.loads(line)
                print(json.dumps(serve(asked["file"], asked["type"])), flush=True)
            except Exception as error:  # the other side shows it
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
    finally:
        shutil.rmtree(CACHE, ignore_errors=True)
