"""Checks that PEFT and transformers read what tritune wrote and compute the same logits. Writes no file.

    python tests/oracle/verify.py adapter <base folder> <adapter folder> <ids.json> <logits.safetensors>
    python tests/oracle/verify.py merged <model folder> <ids.json> <logits.safetensors>
    python tests/oracle/verify.py tokenizer <model folder> <cases.json>

ids.json: one sequence [..] or several of equal length [[..], ..]. logits.safetensors: the tensor `logits`
(B, T, V) or (T, V) that tritune computed for these ids; it may be the only tensor under another name.
cases.json: [{"text", "ids"}]. Option --tolerance (default 1e-5): allowed max |difference| / max |logit|.

adapter also requires that PEFT takes every tensor of the file and misses none, merged that transformers reports
no missing, unexpected or mismatched tensor. float32, eager attention.
Prints one JSON line {"ok", "maxAbs", "maxRel", "argmaxAgree", …, "versions"}; exit code 0 if ok, otherwise 1.
"""

import argparse
import json
import math
import sys
import traceback
import warnings
from pathlib import Path

from common import deterministic, relative, versions

import torch
from peft import PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()
warnings.filterwarnings("ignore", category=FutureWarning)


def load(folder: Path):
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} has no config.json")
    model, info = AutoModelForCausalLM.from_pretrained(
        folder.resolve(), attn_implementation="eager", dtype=torch.float32, output_loading_info=True
    )
    return model.eval(), {k: sorted(map(str, v)) for k, v in info.items() if k.endswith("_keys") and v}


def read_ids(path: Path) -> torch.Tensor:
    ids = torch.tensor(json.loads(path.read_text()), dtype=torch.long)
    return ids[None] if ids.dim() == 1 else ids


def read_logits(path: Path, ids: torch.Tensor) -> torch.Tensor:
    tensors = load_file(path)
    logits = tensors["logits"] if "logits" in tensors else next(iter(tensors.values()))
    if "logits" not in tensors and len(tensors) != 1:
        raise KeyError(f"{path} has no tensor `logits`: {sorted(tensors)}")
    return logits.float().reshape(*ids.shape, -1)


def compare(model, ids: torch.Tensor, ours: torch.Tensor, tolerance: float) -> dict:
    with torch.no_grad():
        theirs = model(input_ids=ids, use_cache=False).logits
    if ours.shape != theirs.shape:
        raise ValueError(f"logits have shape {tuple(ours.shape)}, expected {tuple(theirs.shape)}")
    max_rel = relative(ours, theirs)
    return {
        "ok": max_rel <= tolerance,  # false for NaN
        "maxAbs": float((ours - theirs).abs().max()),
        "maxRel": max_rel,
        "maxLogit": float(theirs.abs().max()),
        "argmaxAgree": float((ours.argmax(-1) == theirs.argmax(-1)).float().mean()),
    }


def adapter(base: Path, folder: Path, ids_file: Path, logits_file: Path, tolerance: float) -> dict:
    ids = read_ids(ids_file)
    model, problems = load(base)
    with torch.no_grad():
        plain = model(input_ids=ids, use_cache=False).logits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, str(folder.resolve())).eval()
    file = load_file(folder / "adapter_model.safetensors")
    taken = get_peft_model_state_dict(model, save_embedding_layers=False)
    missing, unused = sorted(taken.keys() - file.keys()), sorted(file.keys() - taken.keys())
    differing = [k for k in file.keys() & taken.keys() if not torch.equal(file[k].float(), taken[k].float())]
    result = compare(model, ids, read_logits(logits_file, ids), tolerance)
    with torch.no_grad():
        result["effect"] = relative(model(input_ids=ids, use_cache=False).logits, plain)
    result.update(modules=len(model.base_model.targeted_module_names), tensors=len(file))
    result.update(missing=missing, unused=unused, differing=sorted(differing), baseProblems=problems)
    result["warnings"] = sorted({str(w.message)[:300] for w in caught if "missing adapter keys" in str(w.message)})
    result["ok"] &= not (missing or unused or differing or problems)
    return result


def merged(folder: Path, ids_file: Path, logits_file: Path, tolerance: float) -> dict:
    ids = read_ids(ids_file)
    model, problems = load(folder)
    result = compare(model, ids, read_logits(logits_file, ids), tolerance)
    result["problems"] = problems
    result["ok"] &= not problems
    return result


def tokenizer(folder: Path, cases_file: Path) -> dict:
    theirs = AutoTokenizer.from_pretrained(str(folder.resolve()))
    wrong = []
    cases = json.loads(cases_file.read_text())
    for case in cases:
        ids = theirs(case["text"], add_special_tokens=False).input_ids
        if ids != case["ids"]:
            wrong.append({**case, "expected": ids})
    return {"ok": bool(cases) and not wrong, "cases": len(cases), "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    places = {
        adapter: ["base", "folder", "ids_file", "logits_file"],
        merged: ["folder", "ids_file", "logits_file"],
        tokenizer: ["folder", "cases_file"],
    }
    for function, names in places.items():
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for name in names:
            command.add_argument(name, type=Path)
        if "logits_file" in names:
            command.add_argument("--tolerance", type=float, default=1e-5)
    arguments = vars(parser.parse_args())
    name, function = arguments.pop("command"), arguments.pop("function")
    deterministic(0)
    try:
        result = function(**arguments)
    except Exception as error:
        traceback.print_exc()
        result = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    # NaN and Infinity are not JSON
    result = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in result.items()}
    print(json.dumps({"command": name, **result, "versions": versions()}))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
