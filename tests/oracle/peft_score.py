"""A LoRA with a trained head on a tiny classifier, as PEFT writes it (task_type SEQ_CLS), with the scores it gives.

    python tests/oracle/peft_score.py

Writes tests/golden/peft-score/: adapter_config.json, adapter_model.safetensors, expected.safetensors (logits (3, labels) of the texts of
tests/golden/score-models/qwen2). The base model that it goes on predicts tokens: its `score` is the adapter's.
"""

import shutil

from common import GOLDEN, deterministic, without_machine, write_tensors

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification


def base():
    return AutoModelForSequenceClassification.from_pretrained(
        GOLDEN / "score-models" / "qwen2", attn_implementation="eager", dtype=torch.float32
    ).eval()


def main() -> None:
    deterministic(9700)
    folder = GOLDEN / "peft-score"
    shutil.rmtree(folder, ignore_errors=True)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], task_type=TaskType.SEQ_CLS)
    model = get_peft_model(base(), config)
    generator = torch.Generator().manual_seed(9701)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    without_machine(folder / "adapter_config.json")
    texts = load_file(GOLDEN / "score-models" / "qwen2" / "expected.safetensors")
    ids = texts["input_ids"].long()
    mask = (torch.arange(ids.shape[1])[None] < texts["lengths"][:, None]).long()
    model = PeftModel.from_pretrained(base(), folder).eval()
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.detach()
    write_tensors(folder / "expected.safetensors", {"logits": logits})
    print(sorted(load_file(folder / "adapter_model.safetensors")), logits.tolist())


if __name__ == "__main__":
    main()
