"""The fields that PEFT's configurations have, by `peft_type`, with their defaults.

Writes tests/golden/peft-fields.json.

    python tests/oracle/peft_fields.py
"""

import dataclasses
import json

from common import GOLDEN
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

TYPES = (
    "ADALORA BOFT IA3 LOHA LOKR LORA MISS OFT PREFIX_TUNING PROMPT_TUNING P_TUNING TRAINABLE_TOKENS VERA"
).split()


def default(field: dataclasses.Field) -> object:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        value = None
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    return getattr(value, "value", value)


fields = {
    name: {field.name: default(field) for field in dataclasses.fields(PEFT_TYPE_TO_CONFIG_MAPPING[name])} for name in TYPES
}
(GOLDEN / "peft-fields.json").write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
