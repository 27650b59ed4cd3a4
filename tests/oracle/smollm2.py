"""What transformers computes with SmolLM2-135M-Instruct read from a GGUF file, dequantised to float32.

    python tests/oracle/smollm2.py <SmolLM2-135M-Instruct.Q4_1.gguf>

Writes tests/golden/smollm2/expected.json:
  file           name, bytes and sha256 of the GGUF file
  weights        for a few tensors: shape, sum, sum of |w| and the first 4 values, under their transformers names
  prompt         text, ids (no special tokens added), and at each of the first 128 positions the argmax, the margin
                 (best minus second-best logit) and the loss of the next id; logits at 8 positions x 16 ids
  chat           messages, rendered text, ids, and a greedy continuation of 64 tokens (generate, do_sample False,
                 repetition_penalty 1) with the margin of each step and its text
  tokenization   texts and ids. `ids` is the model's own tokenizer: tokenizer.ggml.pre = "smollm" splits off every
                 digit before the GPT-2 regex. transformers' GGUF loader leaves that step out; where this changes
                 the result its ids are kept as `transformersIds`.
"""

import hashlib
import sys
from pathlib import Path

from common import GOLDEN, deterministic, versions, write_json

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()

POSITIONS = 128
PROMPT = """The harbour was quiet when the surveyor arrived. Two boats lay on the mud, tilted toward the \
sea wall, and a boy was counting gulls on the roof of the ice house. She asked him how many there were, and he \
said that it depended on when you started. She wrote this down in her notebook, because it was true of tides as \
well. By noon the water had come back, and the boats stood up as if somebody had called their names.

def tide(hour):
    # a crude model: one high and one low water in twelve hours
    return math.sin(hour * math.pi / 6)

"How long will you stay?" the boy asked. "Until the numbers agree," she answered, and opened a tin of pencils \
that she had sharpened the evening before."""
LOGIT_POSITIONS = [0, 1, 17, 40, 63, 90, 111, 127]
LOGIT_IDS = [0, 1, 2, 28, 30, 198, 253, 281, 284, 505, 1000, 5000, 12345, 25000, 40000, 49151]
MESSAGES = [
    {"role": "user", "content": "Explain in a few sentences why the sky looks blue during the day."},
]
WEIGHTS = [
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.weight",
    "model.layers.0.self_attn.v_proj.weight",
    "model.layers.13.mlp.down_proj.weight",
    "model.layers.29.post_attention_layernorm.weight",
    "model.norm.weight",
]
TEXTS = [
    "",
    " ",
    "Hello world",
    " leading space, trailing space ",
    "In 1984, x = 3.14159",
    "a  12",
    "3.14  15",
    "\n\n1. a\n2. b",
    "tabs\t\tand   runs of    spaces  ",
    "I'm sure they'll say we've don't, O'NEIL'S",
    "line one\r\nline two\n\n\n  indented",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<repo_name> x <|endoftext|>",
    "日本語 🦀 e\u0301 naïve Ελλάδα",
    "x\u00b2\u00bd \u0663\u0664",
    "snake_case camelCase kebab-case (a+b)*c != d;",
    "\u00a0non\u2003breaking\u200bzero",
]


def margins(logits: torch.Tensor) -> list[float]:
    best = logits.topk(2, dim=-1).values
    return [round(v, 6) for v in (best[:, 0] - best[:, 1]).tolist()]


def main(path: Path) -> None:
    deterministic(0)
    torch.set_num_threads(2)
    folder, name = str(path.parent.resolve()), path.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager"
    ).eval()

    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )

    def encode(text: str) -> list[int]:
        return own.encode(text, add_special_tokens=False).ids

    tokenization = []
    for text in TEXTS:
        theirs = tokenizer(text, add_special_tokens=False).input_ids
        row = {"text": text, "ids": encode(text)}
        tokenization.append(row if row["ids"] == theirs else {**row, "transformersIds": theirs})

    ids = encode(PROMPT)
    assert len(ids) > POSITIONS and ids == tokenizer(PROMPT).input_ids, len(ids)
    ids = ids[: POSITIONS + 1]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids[:POSITIONS]]), use_cache=False).logits[0]
    losses = F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")

    rendered = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    chat_ids = encode(rendered)
    assert chat_ids == tokenizer(rendered, add_special_tokens=False).input_ids
    with torch.no_grad():
        out = model.generate(
            torch.tensor([chat_ids]),
            attention_mask=torch.ones(1, len(chat_ids), dtype=torch.long),
            max_new_tokens=64,
            do_sample=False,
            repetition_penalty=1.0,
            return_dict_in_generate=True,
            output_logits=True,
        )
    continuation = out.sequences[0, len(chat_ids) :].tolist()
    steps = torch.cat(out.logits)

    state = model.state_dict()
    weights = {}
    for key in WEIGHTS:
        w = state[key].double()
        weights[key] = {
            "shape": list(w.shape),
            "sum": float(w.sum()),
            "sumAbs": float(w.abs().sum()),
            "first": w.flatten()[:4].tolist(),
        }

    write_json(
        GOLDEN / "smollm2" / "expected.json",
        {
            "file": {
                "name": name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            },
            "weights": weights,
            "prompt": {
                "text": PROMPT,
                "ids": ids,
                "positions": POSITIONS,
                "argmax": logits.argmax(-1).tolist(),
                "margin": margins(logits),
                "nextIdLoss": [round(v, 6) for v in losses.tolist()],
                "maxAbsLogit": float(logits.abs().max()),
                "logitPositions": LOGIT_POSITIONS,
                "logitIds": LOGIT_IDS,
                "logits": [[round(float(logits[p, i]), 6) for i in LOGIT_IDS] for p in LOGIT_POSITIONS],
            },
            "chat": {
                "messages": MESSAGES,
                "rendered": rendered,
                "ids": chat_ids,
                "continuationIds": continuation,
                "continuationText": tokenizer.decode(continuation, skip_special_tokens=False),
                "margin": margins(steps),
            },
            "tokenization": tokenization,
            "versions": versions(),
        },
    )
    print(f"mean loss {float(losses.mean()):.4f}, smallest margin {min(margins(logits))}")
    print(f"{len(continuation)} tokens, smallest margin {min(margins(steps))}: {tokenizer.decode(continuation)!r}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: smollm2.py <SmolLM2-135M-Instruct.Q4_1.gguf>")
    main(Path(sys.argv[1]))
