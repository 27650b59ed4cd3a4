"""Golden masks of axolotl where only parts of a message are trained, with a byte-level BPE of words.

Writes tests/golden/data/train-details.json: per case the record, the tokens and the places of those that axolotl trains. CACHE is the folder that
`chat_templates.py fetch` made.

    python tests/oracle/train_details.py CACHE
"""

import copy
import json
import random
import sys
from pathlib import Path

import chat_templates

GOLDEN = Path(__file__).parent.parent / "golden"
OUT = GOLDEN / "data" / "train-details.json"
TEMPLATE = (
    "{% for m in messages %}{{ '<|start|>' + m.role + '\\n' }}"
    "{% if m.reasoning_content %}{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n' }}{% endif %}"
    "{{ m.content + '<|end|>\\n' }}{% endfor %}"
)
TEXT = "the whale swam around the ship 12345 times, naïve 🦀 日本語, and again."


def detail(begin: int, end: int, train: bool) -> dict:
    return {"begin_offset": begin, "end_offset": end, "train": train}


def cases() -> list[dict]:
    rng = random.Random(5)
    user = {"role": "user", "content": "Hi"}
    found = []

    def add(**fields) -> None:
        found.append({"messages": [user, {"role": "assistant", **fields}, user, {"role": "assistant", "content": "No"}]})

    for _ in range(24):
        details = []
        for _ in range(rng.randint(1, 3)):
            begin = rng.randrange(len(TEXT))
            details.append(detail(begin, min(len(TEXT) - 1, begin + rng.choice([0, 1, 2, 5, 9, 30])), rng.random() < 0.7))
        add(content=TEXT, detail=details)
    add(content=TEXT, detail=[])
    add(content=TEXT, detail=[detail(0, 9, True)], train=False)
    add(content=[{"text": "the whale"}, {"text": " swam", "train": False}, {"text": " around", "weight": 1}, {"text": " the ship", "weight": 0}])
    add(content=[{"text": "the whale "}, {"text": "swam around", "train": False}])
    add(content="42", reasoning_content=[{"text": "the whale", "train": True}, {"text": " swam", "train": False}])
    add(content=TEXT, reasoning_content="so it is", detail=[detail(4, 8, True)])
    add(
        content=[{"text": "it is", "train": False}, {"text": " 12345", "train": True}],
        reasoning_content=[{"text": "the whale", "train": True}, {"text": " swam", "train": False}],
    )
    return found


def main(cache: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    axolotl = chat_templates.load_axolotl(cache)
    lines = []
    tok = PreTrainedTokenizerFast(
        tokenizer_file=str(GOLDEN / "tokenizer" / "digits" / "tokenizer.json"), eos_token="<|end|>", chat_template=TEMPLATE
    )
    prompter = axolotl.ChatTemplatePrompter(tok, TEMPLATE, message_field_training="train", message_field_training_detail="detail")
    prompter._chat_template_msg_variables = set()
    strategy = axolotl.ChatTemplateStrategy(prompter, tok, False, 2**20, roles_to_train=["assistant"], train_on_eos="turn")
    for record in cases():
        result = strategy._tokenize_single_prompt(copy.deepcopy(record))
        trained = [i for i, label in enumerate(result["labels"]) if label != -100]
        lines.append(json.dumps({"record": record, "ids": result["input_ids"], "trained": trained}, ensure_ascii=False))
    OUT.write_text('{"template": ' + json.dumps(TEMPLATE) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
