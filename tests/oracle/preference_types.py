"""What axolotl's types of preferences make of records: prompt and answers as texts.

    python tests/oracle/preference_types.py <folder of an unpacked axolotl wheel>

Writes tests/golden/preferences/types.json: a list of {type, options, record, prompt, chosen, rejected} or {…, completion, label}, and the
version of axolotl. The functions are axolotl's own; what they import beside is stood in for, and the chat template is ChatML.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import jinja2

WHEEL = Path(sys.argv[1])
OUT = Path(__file__).resolve().parent.parent / "golden" / "preferences" / "types.json"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Config(dict):
    def __getattr__(self, name):
        return self.get(name)


class ChatTokenizer:
    def apply_chat_template(self, messages, add_generation_prompt, chat_template, tokenize):
        assert not tokenize
        return jinja2.Template(chat_template).render(messages=messages, add_generation_prompt=add_generation_prompt)


class Message(types.SimpleNamespace):
    def model_dump(self):
        return {"role": self.role, "content": self.content}


class MessageList(types.SimpleNamespace):
    pass


def stub(name: str, **members) -> None:
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module


def load(path: str):
    spec = importlib.util.spec_from_file_location(path.replace("/", "."), WHEEL / "axolotl/prompt_strategies" / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stand_ins() -> None:
    for name in ("axolotl", "axolotl.utils", "axolotl.utils.schemas"):
        stub(name)
    stub(
        "axolotl.utils.chat_templates",
        extract_chat_template_args=lambda cfg, ds_cfg: (None, None),
        get_chat_template=lambda user_choice, jinja_template, tokenizer: CHATML,
        get_chat_template_from_config=lambda cfg, tokenizer: CHATML,
    )
    stub("axolotl.utils.schemas.utils", handle_legacy_message_fields_logic=lambda data: data)
    stub("axolotl.prompt_tokenizers", IGNORE_INDEX=-100, PromptTokenizingStrategy=object)
    stub("axolotl.prompters", Prompter=object)


def chat(*texts: str) -> list[dict]:
    return [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]


def dpo_cases():
    for style in ("chatml", "llama3"):
        module = load(f"dpo/{style}.py")
        for system in ("", "Be brief."):
            extra = {"system": system} if system else {}
            answers = {"chosen": "Four.", "rejected": "Five, I think."}
            yield style, module, "default", {"prompt": "2 + 2?", **answers, **extra}
            yield style, module, "default", {
                "instruction": "2 + 2?", "chosen_response": "Four.", "rejected_response": "Five.", **extra}
            yield style, module, "icr", {"input": "2 + 2?", **answers, **extra}
            yield style, module, "intel", {"question": "2 + 2?", **answers, **extra}
            yield style, module, "prompt_pairs", {"prompt": "2 + 2?", **answers, **extra}
            yield style, module, "ultra", {
                "prompt": "2 + 2?", "chosen": chat("2 + 2?", "Four."), "rejected": chat("2 + 2?", "Five."), **extra}
        yield style, module, "argilla_chat", {"chosen": chat("2 + 2?", "Four."), "rejected": chat("2 + 2?", "Five.")}


def kto_cases():
    for style in ("chatml", "llama3"):
        module = load(f"kto/{style}.py")
        for label, system in ((True, ""), (False, "Be brief.")):
            extra = {"completion": "Four.", "label": label, **({"system": system} if system else {})}
            yield style, module, "argilla", {"instruction": "2 + 2?", **extra}
            yield style, module, "intel", {"question": "2 + 2?", **extra}
            yield style, module, "prompt_pairs", {"prompt": "2 + 2?", **extra}
            yield style, module, "ultra", {"prompt": "2 + 2?", **extra}
        yield style, module, "argilla_chat", {
            "completion": [{"role": "system", "content": "Be brief."}, *chat("2 + 2?", "Four.", "Sure?", "Yes.")],
            "label": True,
        }


def template_cases():
    module = load("dpo/chat_template.py")
    plain = {"messages": chat("2 + 2?", "Four.", "Sure?"), "chosen": "Yes.", "rejected": "No. "}
    yield module.default, "chat_template.default", {}, plain
    yield module.default, "chat_template.default", {}, {**plain, "messages": "2 + 2?"}
    yield module.default, "chat_template.default", {}, {
        **plain, "chosen": chat("x", "Yes."), "rejected": {"role": "assistant", "content": "No."}}
    named = {
        "field_messages": "talk", "field_chosen": "good", "field_rejected": "bad",
        "message_property_mappings": {"role": "from", "content": "value"},
        "roles": {"user": ["human"], "assistant": ["gpt"], "system": ["system"]},
    }
    yield module.default, "chat_template.default", named, {
        "talk": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "2 + 2?"}],
        "good": {"from": "gpt", "value": "Four."}, "bad": {"from": "gpt", "value": "Five."}}
    pair = {"chosen": chat("2 + 2?", "Four.", "Sure?", "Yes."), "rejected": chat("2 + 2?", "Four.", "Sure?", "No.")}
    yield module.argilla_chat, "chat_template.argilla_chat", {}, pair
    orpo = load("orpo/chat_template.py")
    yield orpo.argilla, "chat_template.argilla", {}, pair
    yield orpo.argilla, "chat_template.argilla", {}, {**pair, "system": "Be brief."}
    own = load("dpo/user_defined.py")
    for fields in (
        {"field_prompt": "q", "field_chosen": "good", "field_rejected": "bad", "prompt_format": "{system}|Q: {prompt}\nA: ",
         "chosen_format": "{chosen}!", "rejected_format": "{rejected}?"},
        {"field_prompt": "q", "field_chosen": "good", "field_rejected": "bad"},
    ):
        yield own.default, "user_defined.default", {"type": fields}, {
            "q": "2 + 2?", "good": "Four", "bad": "Five", "system": "Be brief."}
    own_kto = load("kto/user_defined.py")
    yield own_kto.default, "user_defined.default", {
        "type": {"field_prompt": "q", "field_completion": "a", "field_label": "ok", "prompt_format": "Q: {prompt}\nA: "}}, {
        "q": "2 + 2?", "a": "Four", "ok": False}


def main() -> None:
    stand_ins()
    found = []

    def keep(name: str, options: dict, record: dict, made: dict) -> None:
        answers = (
            {"completion": made["completion"], "label": made["label"]}
            if "completion" in made
            else {"chosen": made["chosen"], "rejected": made["rejected"]}
        )
        found.append({"type": name, "options": options, "record": record, "prompt": made["prompt"], **answers})

    for cases in (dpo_cases(), kto_cases()):
        for style, module, way, record in cases:
            keep(f"{style}.{way}", {}, record, getattr(module, way)(Config())(json.loads(json.dumps(record))))
    for function, name, options, record in template_cases():
        config = Config(datasets=[Config(options)])
        made = function(config, dataset_idx=0)
        transform = made[0] if isinstance(made, tuple) else made
        copy = json.loads(json.dumps(record))
        keyword = {} if name.startswith("user_defined") else {"tokenizer": ChatTokenizer()}
        result = transform(copy, **keyword)
        keep(name, options, record, result)
    [metadata] = WHEEL.glob("axolotl-*.dist-info")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(case, ensure_ascii=False)}" for case in found)
    OUT.write_text(f'{{"axolotl": "{metadata.name.split("-")[1].removesuffix(".dist")}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(found)} cases")


if __name__ == "__main__":
    main()
