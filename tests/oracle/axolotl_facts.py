"""
Facts about axolotl for `bun run oracle axolotl` and its test: which keys its schema has, and which keys and values its example files give.

  PYTHONPATH=<folder of the unpacked wheel> python tests/oracle/axolotl_facts.py <a checkout's examples folder>

The wheel is `pip download --no-deps axolotl`; its schema needs pydantic, annotated-types, typing-inspection, addict and pillow. Writes
tests/golden/axolotl/keys.json (where → keys) and examples.jsonl (one example a line: file, family, whether axolotl's schema takes it, keys with
their values). Of examples whose family or media nobody here reads only the family is kept. families.tsv is written by hand: model → model_type
of its config.json, `media` for what needs images or sound, in the order of the names.
"""

import json
import logging
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent.parent / "golden" / "axolotl"
# Said by the schema where a package of Python is not installed: nothing about the file.
PACKAGES = ("is not installed", "Please install it with")
# Keys that only vision and sound need.
MEDIA = ("image_size", "image_resize_algorithm")


def keys():
    from axolotl.utils.schemas import datasets
    from axolotl.utils.schemas.config import AxolotlInputConfig

    found = {"file": sorted(AxolotlInputConfig.model_fields)}
    for name in (
        "SFTDataset",
        "PretrainingDataset",
        "DPODataset",
        "KTODataset",
        "StepwiseSupervisedDataset",
        "SyntheticDataset",
    ):
        found[name] = sorted(getattr(datasets, name).model_fields)
    return found


def refusal(values):
    from axolotl.utils.schemas.config import AxolotlInputConfig

    try:
        AxolotlInputConfig(**values)
    except Exception as error:  # whatever a validator raises is its refusal
        said = " ".join(str(error).split())
        if not any(part in said for part in PACKAGES):
            return said.split("Value error, ")[-1].split(" [type=")[0][:120]
    return None


def main(folder):
    logging.disable(logging.CRITICAL)
    HERE.mkdir(parents=True, exist_ok=True)
    families = dict(line.split("\t") for line in (HERE / "families.tsv").read_text().splitlines())
    (HERE / "keys.json").write_text(json.dumps(keys(), indent=1) + "\n")
    lines = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".yml", ".yaml")):
        values = yaml.safe_load(path.read_text())
        name = path.relative_to(folder).as_posix()
        model = values.get("base_model")
        family = families[model] if model else "none"
        if values.get("processor_type") or any(key in values for key in MEDIA):
            family = "media"
        known = family not in ("media", "none") and not family.startswith("-")
        fact = {"file": name, "family": family.lstrip("-")}
        if known:
            refused = refusal(values)
            fact |= {"refused": refused} if refused else {}
            fact["keys"] = values
        lines.append(json.dumps(fact, separators=(",", ":")))
    (HERE / "examples.jsonl").write_text("\n".join(lines) + "\n")


main(Path(sys.argv[1]))
