"""Texts and masks of axolotl's instruction types, from axolotl itself (its strategies, on the tokenizer of data_golden.py).

Writes tests/golden/data/prompt-types.json: one record for each type, with and without an input where the type has one, with and without
BOS. axolotl is read from an unpacked wheel; what it imports besides is not needed for prompts and stands in by empty modules.

    pip download --no-deps axolotl==0.19.0 && unzip axolotl-*.whl -d axolotl-wheel
    python tests/oracle/prompt_types.py axolotl-wheel
"""

import importlib
import json
import logging
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

from data_golden import tokenizer

OUT = Path(__file__).parent.parent / "golden" / "data" / "prompt-types.json"

ALPACA = [
    {"instruction": "Add „x“.", "input": "1 {2}", "output": "3\n"},
    {"instruction": "Sag ja.", "input": "", "output": "ja"},
    {"instruction": "No input.", "output": " yes </s>"},
]
QA = [{"question": "Who?", "answer": "Me."}]
CHOICE = [
    {"question": "Which?", "choices": ["a", 'b "c"'], "solution": "a"},
    {"question": "Which?", "choices": [], "explanation": "since"},
]
SYSTEM = [{**record, "system": system} for record in ALPACA for system in ("Be {brief}.", "")]
ORCA = [{"system_prompt": system, "question": "Why?", "response": "So."} for system in ("Think.", "")]
RECORDS = {
    "alpaca:chat": ALPACA,
    "alpaca:chatml": ALPACA,
    "alpaca:instruct": ALPACA,
    "alpaca:phi": ALPACA,
    "alpaca_instruct": ALPACA,
    "alpaca_instruct.load_no_prompt": ALPACA,
    "alpaca_chat": ALPACA,
    "alpaca_chat.load_qa": QA,
    "alpaca_chat.load_concise": ALPACA,
    "alpaca_chat.load_camel_ai": [{"message_1": "Hi", "message_2": "Ho"}],
    "alpaca_chat.load_no_prompt": ALPACA,
    "alpaca_w_system": SYSTEM,
    "alpaca_w_system.load_chat": SYSTEM,
    "alpaca_w_system.load_instruct": SYSTEM,
    "alpaca_w_system.load_open_orca": ORCA,
    "alpaca_w_system.load_open_orca_chatml": ORCA,
    "orcamini": ORCA,
    "jeopardy": [{"question": "Whale?", "category": "Sea", "answer": "a fish"}],
    "oasst": [{"INSTRUCTION": "Go.", "RESPONSE": "Gone."}],
    "gpteacher": [{"instruction": "Go.", "input": "now", "response": "Gone."}, {"instruction": "Go.", "response": "Gone."}],
    "gpteacher:chat": [{"instruction": "Go.", "input": "now", "response": "Gone."}],
    "explainchoice": CHOICE,
    "concisechoice": CHOICE,
    "summarizetldr": [{"article": "Long.", "summary": "Short."}],
    "context_qa": [{"article": "Text.", "question": "What?", "answer": "That."}],
    "context_qa.load_v2": [{"context": "Text.", "question": "What?", "answer": "That."}],
    "context_qa.load_404": [{"article": "Text.", "unanswerable_question": "What?"}],
    "creative_acr.load_answer": [{"instruction": "Write.", "answer": "no", "revision": "Better."}],
    "metharme": [{"prompt": "<|user|>Hi<|model|>", "generation": "Ho"}, {"prompt": "a", "generation": "end</s>"}],
    "pygmalion": [
        {
            "conversations": [
                {"role": "system", "value": "A whale.\n<START>"},
                {"role": "human", "value": " Hi "},
                {"role": "bot", "value": "Ho\n"},
                {"role": "human", "value": "And?"},
                {"role": "bot", "value": "So."},
            ]
        }
    ],
    "reflection": [
        {"instruction": "Go.", "input": "now", "output": "a", "reflection": "b", "corrected": "c"},
        {"instruction": "Go.", "output": "a", "reflection": "b", "corrected": "c"},
    ],
}


class StandIns:
    """Everything that axolotl imports and prompts do not need."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("colorama", "datasets", "addict"):
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        module = MagicMock(spec=types.ModuleType(spec.name))
        module.__path__ = []
        for wanted in ("Dataset", "IterableDataset", "Fore"):
            setattr(module, wanted, MagicMock())
        module.Fore.CYAN = module.Fore.RESET = ""
        return module

    def exec_module(self, module):
        pass


def strategy(name: str, tok, train_on_inputs: bool):
    from axolotl import prompt_strategies, prompt_tokenizers, prompters

    cfg = types.SimpleNamespace(train_on_inputs=train_on_inputs, sequence_len=4096)
    base, _, style = name.partition(":")
    pairs = {
        "alpaca": (prompters.AlpacaPrompter, prompt_tokenizers.AlpacaPromptTokenizingStrategy),
        "explainchoice": (prompters.MultipleChoiceExplainPrompter, prompt_tokenizers.AlpacaMultipleChoicePromptTokenizingStrategy),
        "concisechoice": (prompters.MultipleChoiceConcisePrompter, prompt_tokenizers.AlpacaMultipleChoicePromptTokenizingStrategy),
        "summarizetldr": (prompters.SummarizeTLDRPrompter, prompt_tokenizers.SummarizeTLDRPromptTokenizingStrategy),
        "jeopardy": (prompters.JeopardyPrompter, prompt_tokenizers.JeopardyPromptTokenizingStrategy),
        "oasst": (prompters.AlpacaPrompter, prompt_tokenizers.OpenAssistantPromptTokenizingStrategy),
        "gpteacher": (prompters.GPTeacherPrompter, prompt_tokenizers.GPTeacherPromptTokenizingStrategy),
        "reflection": (prompters.ReflectAlpacaPrompter, prompt_tokenizers.AlpacaReflectionPTStrategy),
    }
    if base in pairs:
        prompter, made = pairs[base]
        return made(prompter(style or "instruct"), tok, train_on_inputs, cfg.sequence_len)
    return prompt_strategies.load(name, tok, cfg, {})


def runs(labels: list[int]) -> list[int]:
    """How many tokens are not trained, trained, not trained, …"""
    counts = [0]
    for label in labels:
        if (label != -100) != (len(counts) % 2 == 0):
            counts.append(0)
        counts[-1] += 1
    return counts


def main(wheel: str) -> None:
    sys.path.insert(0, wheel)
    sys.meta_path.append(StandIns())
    logging.disable(logging.CRITICAL)
    quiet = types.ModuleType("axolotl.utils.logging")
    quiet.get_logger = lambda *_args, **_kwargs: MagicMock()
    utils = types.ModuleType("axolotl.utils")
    utils.__path__ = []
    sys.modules["axolotl.utils"] = utils
    sys.modules["axolotl.utils.logging"] = quiet
    cases = []
    for name, records in RECORDS.items():
        for bos in (False, True):
            for trains in (False, True):
                tok = tokenizer(None, "</s>", bos)
                made = strategy(name, tok, trains)
                for record in records if not trains else records[:1]:
                    found = made.tokenize_prompt(dict(record))
                    case = {"type": name, "bos": bos, "trainOnInputs": trains, "record": record}
                    ids, labels = list(found["input_ids"]), list(found["labels"])
                    assert all(label in (token, -100) for token, label in zip(ids, labels, strict=True))
                    cases.append({**case, "text": tok.decode(ids), "runs": runs(labels)})
    OUT.write_text(json.dumps(cases, ensure_ascii=False).replace('}, {"type"', '},\n{"type"') + "\n")
    print(len(cases))


if __name__ == "__main__":
    main(sys.argv[1])
