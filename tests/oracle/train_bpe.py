"""What the BpeTrainer of tokenizers makes of some texts with the alphabet of all bytes.

    python tests/oracle/train_bpe.py <corpus.jsonl>

The corpus is one of the bundled ones (quickstart/moby-dick.eval.jsonl): lines with a "text" or any texts in them. Writes
tests/golden/tokenizer/train-bpe.json: a list of {"texts" or "lines", "vocabSize", "minFrequency", "merges", "size"}, where
"lines" says how many lines of the corpus were used, and merges are those found, as one text with a line for each.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parent.parent / "golden/tokenizer/train-bpe.json"
SPECIAL = ["<|endoftext|>", "<|pad|>"]
CASES = [
    dict(texts=["aaaa aaa aaaaa aa", "abab abab baba abcabc"], vocabSize=275, minFrequency=0),
    dict(texts=["low lower lowest newer wider", "Größe, naïve, 日本語 日本 語, 🙂🙂🙂"], vocabSize=300, minFrequency=0),
    dict(texts=["the cat, the hat; the bat's mat isn't 1234 or 12"], vocabSize=400, minFrequency=2),
    dict(lines=60, vocabSize=600, minFrequency=2),
]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def train(texts, size, least):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    return state["vocab"], state["merges"]


lines = [list(strings(json.loads(line))) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
cases = []
for case in CASES:
    texts = case.get("texts") or [text for line in lines[: case["lines"]] for text in line]
    vocab, merges = train(texts, case["vocabSize"], case["minFrequency"])
    tokens = sorted(vocab, key=vocab.get)
    cases.append({**case, "size": len(tokens), "tokens": " ".join(tokens), "merges": "\n".join(" ".join(m) for m in merges)})
    print(len(texts), "texts", len(tokens), "tokens", len(merges), "merges")
OUT.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
