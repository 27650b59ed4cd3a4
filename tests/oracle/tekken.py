"""
A small tekken.json and the ids that tiktoken gives for some texts, for tests/plugins/tokenizer/tekken.test.ts. Needs tiktoken; writes
tests/golden/tokenizer/tekken/{tekken,cases}.json.
"""

import base64
import json
from collections import Counter
from pathlib import Path

import tiktoken

OUT = Path(__file__).resolve().parent.parent / "golden" / "tokenizer" / "tekken"
PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
TEXTS = [
    "Hello world, hello World!",
    "the thing there then; thé 日本語 \U0001f600",
    "  two  spaces\n\n\tand 12345 numbers",
    "camelCaseWords und Wörter",
    "",
]

corpus = " ".join(TEXTS * 3) + " the there then thing hello world Hello the the"
ranks = {bytes([b]): b for b in range(256)}
words = [list(bytes([b]) for b in w.encode()) for w in corpus.replace(" ", " \x00").split("\x00")]
while len(ranks) < 330:
    pairs = Counter(p for w in words for p in zip(w, w[1:]))
    (a, b), _ = pairs.most_common(1)[0]
    ranks[a + b] = len(ranks)
    for w in words:
        i = 0
        while i < len(w) - 1:
            if w[i] == a and w[i + 1] == b:
                w[i : i + 2] = [a + b]
            i += 1

encoding = tiktoken.Encoding("small", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
vocab = [
    {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None} for token, rank in ranks.items()
]
config = {
    "pattern": PATTERN,
    "num_vocab_tokens": len(ranks) + 9,
    "default_vocab_size": len(ranks) + len(SPECIAL),
    "default_num_special_tokens": len(SPECIAL),
    "version": "v7",
}
extra = [{"rank": len(ranks) + i, "token_bytes": base64.b64encode(b"zz%d" % i).decode(), "token_str": None} for i in range(9)]
special = [{"rank": i, "token_str": text, "is_control": True} for i, text in enumerate(SPECIAL)]
OUT.mkdir(parents=True, exist_ok=True)
(OUT / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab + extra, "special_tokens": special}) + "\n")
cases = [{"text": t, "ids": [i + len(SPECIAL) for i in encoding.encode(t)]} for t in TEXTS]
(OUT / "cases.json").write_text(json.dumps(cases) + "\n")
