"""Golden ids and masks of the data plugin, from transformers.

Writes tests/golden/data/*.json. The tokenizer is the one of tests/plugins/data/_tokenizer.ts: special tokens 0..5, then
byte b is id 8 + b. Chat masks are transformers' own (`return_assistant_tokens_mask`, `{% generation %}` around what a
turn teaches); alpaca examples follow the tokenise-apart rule of instruction tuning: BOS + prompt, response, EOS.

    python tests/oracle/data_golden.py
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"]
OUT = Path(__file__).parent.parent / "golden" / "data"

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message.content + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Default system message when there is none, contents trimmed (as SmolLM2 and Llama 3 do).
TRIMMED = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content | trim + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message.content | trim + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# The system text goes into the first user turn, BOS once, EOS after each answer (as Llama 2 and Mistral do).
INST = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content + '\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}{{ bos_token }}"
    "{% for message in rest %}{% if message.role == 'user' %}"
    "{{ '[INST] ' + (system if loop.first else '') + message.content + ' [/INST]' }}"
    "{% else %}{{ ' ' }}{% generation %}{{ message.content + eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)
TEMPLATES = {"chatml": (CHATML, "<|im_end|>"), "trimmed": (TRIMMED, "<|im_end|>"), "inst": (INST, "</s>")}

CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
    [
        {"role": "system", "content": "You are Ünï."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": " 2 \n"},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello!"},
    ],
    [
        {"role": "user", "content": "quote <|im_end|> me\n\nassistant\n"},
        {"role": "assistant", "content": "\nuser\n ✓ user\n"},
    ],
]
ALPACA = [
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    {"instruction": "Sag „ja“.", "input": "", "output": "ja\n"},
]
PROMPT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}"
    "\n\n### Response:\n"
)
PROMPT_NO_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n{instruction}\n\n### Response:\n"
)


def tokenizer(template: str | None, eos: str, bos: bool) -> PreTrainedTokenizerFast:
    # bytes_to_unicode of GPT-2: the printable bytes stand for themselves, the others from U+0100 on.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    letters |= {byte: chr(256 + i) for i, byte in enumerate(others)}
    vocab = {token: i for i, token in enumerate(SPECIAL)} | {letters[byte]: 8 + byte for byte in range(256)}
    tok = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    if bos:
        tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", eos_token=eos, pad_token=eos, chat_template=template
    )


def chat() -> list[dict]:
    cases = []
    for name, (template, eos) in TEMPLATES.items():
        tok = tokenizer(template, eos, bos=False)
        for messages in CONVERSATIONS:
            out = tok.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
            cases.append(
                {
                    "template": name,
                    "jinja": template.replace("{% generation %}", "").replace("{% endgeneration %}", ""),
                    "eos": eos,
                    "messages": messages,
                    "ids": list(out["input_ids"]),
                    "mask": list(out["assistant_masks"]),
                }
            )
    return cases


def alpaca() -> list[dict]:
    cases = []
    for bos in (False, True):
        tok = tokenizer(None, "</s>", bos)
        for record in ALPACA:
            prompt = (PROMPT if record["input"] else PROMPT_NO_INPUT).format(**record)
            prompt_ids = tok(prompt)["input_ids"]
            response = tok(record["output"])["input_ids"]
            if bos:
                response = response[1:]
            response = [*response, tok.eos_token_id]
            cases.append(
                {
                    "bos": bos,
                    "record": record,
                    "ids": [*prompt_ids, *response],
                    "labels": [*[-100] * len(prompt_ids), *response],
                }
            )
    return cases


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, cases in (("chat", chat()), ("alpaca", alpaca())):
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        (OUT / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
