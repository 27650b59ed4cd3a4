"""Writes tests/golden/tokenizer/*: tokenizer folders as transformers saves them, ids, and rendered chats.

Run: python tests/oracle/write_tokenizer.py
"""

import json
import pathlib

import transformers

from write_gguf import TEXTS, byte_level

OUT = pathlib.Path(__file__).parent.parent / "golden" / "tokenizer"

CHATML = """{%- if messages[0]['role'] != 'system' %}
    {{- '<|start|>system\\nYou help.<|end|>\\n' }}
{%- endif %}
{%- if tools %}
    {{- '<|start|>tools\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '<|end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('unknown role: ' + message.role) }}
    {%- endif %}
    {{- '<|start|>' + message['role'] + '\\n' + message['content'] | trim + '<|end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n' }}
    {%- endif %}
{%- endif %}"""

BLOCKS = """{% for message in messages %}
    {% if loop.first and message.role == 'system' %}
[{{ message.content }}]
    {% else %}
{{ bos_token }}{{ loop.index0 }} {{ message.role | upper }}: {{ message.content }}{{ eos_token }}
    {% endif %}
{% endfor %}
{{ 'END' if not add_generation_prompt else 'GO' }}"""

CHATS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Größe?\n"}, {"role": "assistant", "content": "1,80 m"}],
]
TOOL = {"type": "function", "function": {"name": "f", "description": "does <é> & 'x'", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}


def write(name, pre, template, **config):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=byte_level(pre), **config)
    folder = OUT / name
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    cases = [
        {"text": t, "ids": tokenizer.encode(t), "bare": tokenizer.encode(t, add_special_tokens=False),
         "decoded": tokenizer.decode(tokenizer.encode(t)), "visible": tokenizer.decode(tokenizer.encode(t), skip_special_tokens=True)}
        for t in TEXTS
    ]  # fmt: skip
    chats = []
    for messages in CHATS:
        for options in ({}, {"add_generation_prompt": True}, {"tools": [TOOL]}, {"add_generation_prompt": True, "enable_thinking": False}):
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
            chats.append({"messages": messages, "options": options, "text": text})
    (OUT / f"{name}.json").write_text(json.dumps({"cases": cases, "chats": chats}) + "\n")


special = dict(bos_token="<|start|>", eos_token="<|end|>", pad_token="<|end|>", clean_up_tokenization_spaces=False)
write("digits", "smollm", CHATML, **special)
write("template", "llama-bpe", BLOCKS, **special)
