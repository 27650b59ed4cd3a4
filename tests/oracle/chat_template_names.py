"""Texts that axolotl's named chat templates render from random conversations, by transformers' Jinja.

Writes tests/golden/data/chat-templates.json: the conversations, and for each template their texts (long ones as SHA-256; null where the
template refuses the conversation, and absent where it fails in another way). The day is 2026-03-07.

    pip download --no-deps axolotl==0.19.0 && unzip axolotl-*.whl -d axolotl-wheel
    python tests/oracle/chat_template_names.py axolotl-wheel/axolotl/utils/chat_templates/templates
"""

import datetime
import hashlib
import json
import random
import sys
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

OUT = Path(__file__).parent.parent / "golden" / "data" / "chat-templates.json"
NAMES = (
    "alpaca aya chatml cohere deepseek_v2 deepseek_v3 exaone exaone4 falcon_h1 gemma gemma3 gemma3n gemma4 gemma4_unified jamba llama3 "
    "llama3_2_vision llama4 llava metharme mistral_v1 mistral_v2v3 mistral_v3_tekken mistral_v7_tekken nemotron_h phi_3 phi_35 phi_4 pixtral qwen2_vl "
    "qwen3 qwen3_5 qwen_25"
).split()
WORDS = ["whale", " sea ", "Schiff ü", "日本", "\n", "{{x}}", "<|im_end|>", "2.50", '"quoted"', "it's", "  ", "</s>", "end."]
LONGEST = 400


def text(rng: random.Random) -> str:
    return "".join(rng.choice(WORDS) + rng.choice(["", " "]) for _ in range(rng.randint(1, 5)))


def tool(rng: random.Random) -> dict:
    parameters = {"type": "object", "properties": {"place": {"type": "string", "description": text(rng)}}, "required": ["place"]}
    return {"type": "function", "function": {"name": f"look_{rng.randint(0, 9)}", "description": text(rng), "parameters": parameters}}


def call(rng: random.Random, as_text: bool) -> dict:
    arguments = {"place": text(rng), "count": rng.randint(0, 9), "exact": rng.random() < 0.5}
    name = f"look_{rng.randint(0, 9)}"
    return {
        "id": "".join(rng.choice("abcdef123") for _ in range(9)),
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments) if as_text else arguments},
    }


def conversation(seed: int) -> dict:
    rng = random.Random(seed)
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": text(rng)})
    has_tools, thinks, as_text = seed % 4 == 1, seed % 4 == 2, rng.random() < 0.5
    for _ in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": text(rng)})
        if has_tools and rng.random() < 0.8:
            calls = [call(rng, as_text) for _ in range(rng.randint(1, 2))]
            messages.append({"role": "assistant", "content": rng.choice(["", text(rng)]), "tool_calls": calls})
            for made in calls:
                messages.append({"role": "tool", "content": text(rng), "tool_call_id": made["id"], "name": made["function"]["name"]})
        answer = {"role": "assistant", "content": text(rng)}
        if thinks and rng.random() < 0.7:
            if rng.random() < 0.5:
                answer["reasoning_content"] = text(rng)
            else:
                answer["content"] = f"<think>\n{text(rng)}\n</think>\n\n{answer['content']}"
        messages.append(answer)
    if rng.random() < 0.3:
        messages.append({"role": "user", "content": text(rng)})
    if rng.random() < 0.1:
        messages.insert(rng.randint(1, len(messages)), {"role": "system", "content": text(rng)})
    given = {"messages": messages, "add_generation_prompt": rng.random() < 0.4}
    if has_tools:
        given["tools"] = [tool(rng) for _ in range(rng.randint(1, 2))]
    return given


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 7, 15, 4, 9)


# Tools with parameters of every kind.
PARTS = {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string", "enum": ["p", "q"]}}, "required": ["x"], "minItems": 2}}
PLACE = {"type": "object", "properties": {"n": {"type": "integer", "nullable": True}}, "required": ["n"]}
PARAMETERS = {"type": "object", "properties": {"parts": PARTS, "Place": PLACE, "name": {"type": ["string", "null"]}}, "required": ["parts"]}
FULL = {"name": "full", "description": "All", "parameters": PARAMETERS, "response": {"description": "Some", "type": "object"}}
TOOLS = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}],
    "tools": [{"type": "function", "function": FULL}, {"type": "function", "function": {"name": "none", "description": "No parameters", "parameters": {}}}],
    "add_generation_prompt": True,
}


def render(template: str, given: dict):
    compiled = chat_template_utils._compile_jinja_template(template)
    try:
        rendered = compiled.render(**{"tools": None, **given}, bos_token="<s>", eos_token="</s>")
    except jinja2.exceptions.TemplateError as error:
        return None if type(error) is jinja2.exceptions.TemplateError else ...
    except TypeError:
        return ...
    return rendered if len(rendered) <= LONGEST else hashlib.sha256(rendered.encode()).hexdigest()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    chat_template_utils.datetime = Day
    conversations = [*(conversation(seed) for seed in range(40)), TOOLS]
    texts = {}
    for name in NAMES:
        template = (folder / f"{name}.jinja").read_text()
        rendered = {i: render(template, given) for i, given in enumerate(conversations)}
        texts[name] = {i: value for i, value in rendered.items() if value is not ...}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"conversations": conversations, "texts": texts}, ensure_ascii=False, indent=0) + "\n")
