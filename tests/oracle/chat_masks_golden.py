"""Golden masks of axolotl for chat templates of ours: reasoning, tools, rewritten turns.

Writes tests/golden/data/chat-masks.json: per case the template's name, the record, the text and the parts of it that axolotl
trains. CACHE is the folder that `chat_templates.py fetch` made.

    python tests/oracle/chat_masks_golden.py CACHE
"""

import copy
import json
import sys
from pathlib import Path

import chat_templates

OUT = Path(__file__).parent.parent / "golden" / "data" / "chat-masks.json"

# Reasoning is written for what follows the last question only, and taken out of the content where it stands there.
THINKING = """\
{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- set content = m.content if m.content is string else '' %}
    {%- set thought = m.reasoning_content if m.reasoning_content is string else '' %}
    {%- if m.role == 'assistant' and '</think>' in content %}
        {%- set thought = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\\n' }}
    {%- if m.role == 'assistant' and loop.index0 > ns.last and (thought or loop.last) %}
        {{- '<think>\\n' + thought + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

TOOLS = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n' }}
    {%- for tool in tools %}{{ tool | tojson }}{{ '\\n' }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for m in messages %}
    {%- if m.role == 'tool' and (loop.first or messages[loop.index0 - 1].role == 'user') %}
        {{- raise_exception('a result without a call') }}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\\n' }}
    {%- if m.content %}{{ m.content }}{% endif %}
    {%- for call in m.tool_calls or [] %}
        {{- '\\n<tool_call>' + {'name': call.function.name, 'arguments': call.function.arguments} | tojson + '</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
"""

INST = """\
{%- if messages[0].role == 'system' %}{% set system = messages[0].content + '\\n\\n' %}{% set rest = messages[1:] %}
{%- else %}{% set system = '' %}{% set rest = messages %}{% endif %}
{{- bos_token }}
{%- for m in rest %}
    {%- if m.role == 'user' %}{{ '[INST] ' + (system if loop.first else '') + m.content + ' [/INST]' }}
    {%- else %}{{ ' ' + m.content | trim + '<|im_end|>' }}{% endif %}
{%- endfor %}
"""
TEMPLATES = {"thinking": THINKING, "tools": TOOLS, "inst": INST}

USER = {"role": "user", "content": "Hi"}
AGAIN = {"role": "user", "content": "And?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
CALL = {"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": "ü"}}}
TEXT_CALL = {"type": "function", "function": {"name": "f", "arguments": '{"a": 1, "b": "ü"}'}}
RESULT = {"role": "tool", "content": "42"}


def says(content, **more) -> dict:
    return {"role": "assistant", "content": content, **more}


CASES = [
    ("thinking", {"messages": [USER, says("Yes", reasoning_content="hm")]}),
    ("thinking", {"messages": [USER, says("<think>\nhm\n</think>\n\nYes")]}),
    ("thinking", {"messages": [USER, says("Yes")]}),
    ("thinking", {"messages": [USER, says("Yes", reasoning_content="one"), AGAIN, says("No", reasoning_content="two")]}),
    ("thinking", {"messages": [USER, says("<think>\none\n</think>\n\nYes"), AGAIN, says("<think>\ntwo\n</think>\n\nNo")]}),
    ("thinking", {"messages": [USER, says("Yes"), AGAIN, says("Yes")]}),
    ("thinking", {"messages": [USER, says("z[zz"), AGAIN, says("[[d")]}),
    ("thinking", {"messages": [USER, says(""), AGAIN, says("No")]}),
    ("tools", {"messages": [USER, says("Wait", tool_calls=[CALL])], "tools": [TOOL]}),
    ("tools", {"messages": [USER, says(None, tool_calls=[CALL])], "tools": json.dumps([TOOL])}),
    ("tools", {"messages": [USER, says("", tool_calls=[TEXT_CALL, CALL]), RESULT, says("It is 42.")], "tools": [TOOL]}),
    ("tools", {"messages": [USER, says("Let me see", tool_calls=[CALL]), RESULT, says("42"), AGAIN, says("No")]}),
    ("tools", {"messages": [USER, says([{"type": "text", "text": "a "}, {"type": "text", "text": "b"}])]}),
    ("tools", {"messages": json.dumps([USER, says("Hi")])}),
    ("inst", {"messages": [{"role": "system", "content": "S"}, USER, says(" Hi \n"), AGAIN, says("Hi")]}),
    ("inst", {"messages": [USER, says("日本 🦀"), AGAIN, says("ß")]}),
]


def main(cache: Path) -> None:
    axolotl = chat_templates.load_axolotl(cache)
    cases = []
    for name, record in CASES:
        tok = chat_templates.tokenizer(TEMPLATES[name], "<|im_end|>")
        prompter = axolotl.ChatTemplatePrompter(tok, TEMPLATES[name])
        prompter._chat_template_msg_variables = {"tool_calls", "tool_call_id", "name"}
        strategy = axolotl.ChatTemplateStrategy(prompter, tok, False, 2**20, roles_to_train=["assistant"], train_on_eos="turn")
        result = strategy._tokenize_single_prompt(chat_templates.without_none(copy.deepcopy(record)))
        edges = chat_templates.runs([label != -100 for label in result["labels"]])
        parts = [tok.decode(result["input_ids"][start:end]) for start, end in zip(edges[::2], edges[1::2])]
        cases.append({"template": name, "record": record, "text": tok.decode(result["input_ids"]), "trained": parts})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    OUT.write_text('{"templates": ' + json.dumps(TEMPLATES) + ',\n"cases": [\n' + lines + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
