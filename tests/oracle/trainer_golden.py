"""What the Trainer of transformers decides before it trains: which weights decay, how lengths are grouped, when it evaluates.

    python tests/oracle/trainer_golden.py

Writes tests/golden/trainer/:
  decay.json    for a tiny model of each family, and for a LoRA on one: names that decay and names that do not
  groups.json   get_length_grouped_indices for given permutations
  steps.json    eval_steps as the Trainer rounds them, from axolotl's 1 / (evals_per_epoch * num_epochs)
"""

from types import SimpleNamespace

from common import GOLDEN, write_json

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, Trainer
from transformers.trainer_callback import TrainerState
from transformers.trainer_pt_utils import get_length_grouped_indices

OUT = GOLDEN / "trainer"
FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "gpt2"]


def tiny(family: str, **more):
    if family == "gpt2":
        sizes = dict(n_embd=16, n_layer=2, n_head=2, n_positions=32)
    else:
        sizes = dict(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1
        )
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, vocab_size=64, **sizes, **more))


def decay_of(model) -> dict[str, list[str]]:
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    return {"decays": [n for n in names if n in decayed], "stays": [n for n in names if n not in decayed]}


def decay() -> dict:
    found = {family: decay_of(tiny(family)) for family in FAMILIES}
    found["llama with biases"] = decay_of(tiny("llama", attention_bias=True, tie_word_embeddings=False))
    lora = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    found["llama, lora"] = decay_of(get_peft_model(tiny("llama"), lora))
    return found


def groups() -> list:
    found = []
    for count, batch in [(1, 1), (7, 2), (40, 3), (200, 2), (450, 2)]:
        order = [(i * 7919 + 13) % count for i in range(count)] if count % 7919 else list(range(count))
        lengths = [1 + (i * i * 31 + 7 * i) % 97 for i in range(count)]
        randperm, torch.randperm = torch.randperm, lambda *_, **__: torch.tensor(order)
        try:
            grouped = get_length_grouped_indices(lengths, batch)
        finally:
            torch.randperm = randperm
        found.append({"batch": batch, "order": order, "lengths": lengths, "grouped": grouped})
    return found


def steps() -> list:
    found = []
    for max_steps, epochs, per_epoch in [(8, 1, 4), (30, 3, 4), (100, 1, 3), (7, 2, 1), (1000, 3, 2), (5, 1, 8)]:
        state = TrainerState()
        part = 1.0 / (per_epoch * epochs)
        args = SimpleNamespace(logging_steps=1, save_steps=part, eval_steps=part)
        state.compute_steps(args, max_steps)
        found.append(
            {"max_steps": max_steps, "num_epochs": epochs, "evals_per_epoch": per_epoch, "every": state.eval_steps}
        )
    for max_steps, part in [(100, 0.1), (30, 0.25), (7, 0.5), (3, 0.9), (1000, 0.001)]:
        state = TrainerState()
        state.compute_steps(SimpleNamespace(logging_steps=1, save_steps=part, eval_steps=part), max_steps)
        found.append({"max_steps": max_steps, "eval_steps": part, "every": state.eval_steps})
    return found


if __name__ == "__main__":
    write_json(OUT / "decay.json", decay())
    write_json(OUT / "groups.json", groups())
    write_json(OUT / "steps.json", steps())
