"""GRPO of trl on fixed completions: advantages, reference log-probabilities, losses, metrics and gradients of a LoRA.

    python tests/oracle/grpo.py [folder]

Writes tests/golden/grpo/ (or the folder):
  expected.json           the completions, the rewards, and for each case its options and what trl computes
  expected.safetensors    for each case the gradients of the LoRA, as "<case>/<name of the tensor in the adapter's file>"

What is trained is the LoRA "a" of tests/golden/peft-several on tests/golden/peft-train/base. Completions are not generated: trl is handed those that are
written here, so that everything after that is its own.
"""

import sys
from pathlib import Path

from common import GOLDEN, deterministic, versions, write_json

import torch
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN / "grpo"
GROUP = 4
LONGEST = 9
EOS = 2
PROMPTS = [[1, 5, 9, 17], [1, 33, 8]]
COMPLETIONS = [
    [7, 21, 40, EOS],
    [7, 21, EOS],
    [60, 3, 90, 14, 77, 5, 31, 8, 44],
    [12, EOS],
    [50, 51, 52, 53, EOS],
    [9, 9, 9, 9, 9, 9, 9, 9, 9],
    [70, EOS],
    [50, 6, 52, 80, 11, EOS],
]
REWARDS = {"first": [1.0, 0.0, 0.5, 0.25, 2.0, -1.0, 0.0, 0.5], "second": [0.0, None, 1.0, 1.0, 0.0, 0.0, 3.0, 1.0]}
WEIGHTS = [1.0, 0.5]

CASES = {
    "grpo": dict(loss_type="grpo"),
    "bnpo": dict(loss_type="bnpo"),
    "dr_grpo": dict(loss_type="dr_grpo", scale_rewards="none"),
    "dapo": dict(loss_type="dapo", epsilon_high=0.28),
    "first": dict(loss_type="grpo", old=False),
    "batch": dict(loss_type="grpo", scale_rewards="batch", epsilon=0.05),
    "kl": dict(loss_type="dapo", beta=0.3),
    "plain-kl": dict(loss_type="bnpo", beta=0.3, use_bias_correction_kl=False),
    "delta": dict(loss_type="grpo", delta=1.4),
    "truncated": dict(loss_type="dapo", mask_truncated_completions=True),
    "truncated-grpo": dict(loss_type="grpo", mask_truncated_completions=True, beta=0.1),
    "warm": dict(loss_type="dr_grpo", temperature=0.7, beta=0.1),
}


def tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    words = {f"t{i}": i for i in range(vocabulary)}
    inner = Tokenizer(models.WordLevel(words, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="t2", pad_token="t0", unk_token="t0")


def reward(name: str):
    def given(prompts, completions, **_):
        return REWARDS[name]

    given.__name__ = name
    return given


def open_model() -> PeftModel:
    base = AutoModelForCausalLM.from_pretrained(GOLDEN / "peft-train/base", attn_implementation="eager")
    base.generation_config.eos_token_id = EOS
    return PeftModel.from_pretrained(base, GOLDEN / "peft-several/a", is_trainable=True)


def trainer_of(options: dict) -> GRPOTrainer:
    config = GRPOConfig(
        output_dir="/tmp/grpo-golden",
        per_device_train_batch_size=len(COMPLETIONS),
        num_generations=GROUP,
        max_completion_length=LONGEST,
        reward_weights=WEIGHTS,
        report_to=[],
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        **{"num_iterations": 2, **options},
    )
    model = open_model()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[reward(name) for name in REWARDS],
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["t1"] * len(COMPLETIONS)}),
        processing_class=tokenizer(model.config.vocab_size),
    )
    prompts = [PROMPTS[i // GROUP] for i in range(len(COMPLETIONS))]
    trainer._tokenize_prompts = lambda _: (prompts, None, {})
    trainer._generate_single_turn = lambda *_: (COMPLETIONS, None)
    trainer.current_gradient_accumulation_steps = 1
    # trl takes a copy of an adapter that it is given as the reference; the reference here is the base model, as with a new adapter.
    if "ref" in trainer.model.peft_config:
        trainer.model.delete_adapter("ref")
    trainer.model.train()
    return trainer


def rows(values: torch.Tensor) -> list[list[float]]:
    """Of each completion, without the padding."""
    return [row[: len(ids)].tolist() for row, ids in zip(values, COMPLETIONS, strict=True)]


def run(name: str, options: dict, gradients: dict[str, torch.Tensor]) -> dict:
    options = dict(options)
    has_old = options.pop("old", True)
    trainer = trainer_of(options)
    inputs = trainer._generate_and_score_completions([{"prompt": "t1"}] * len(COMPLETIONS))
    measured = inputs["old_per_token_logps"]
    if has_old:
        # As if the model had moved since: ratios on both sides of the limits.
        noise = torch.linspace(-0.6, 0.6, measured.numel()).view_as(measured)
        inputs["old_per_token_logps"] = measured + noise
    else:
        del inputs["old_per_token_logps"]
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    for key, parameter in trainer.model.named_parameters():
        if parameter.grad is not None:
            gradients[f"{name}/{key.replace('.default', '').removeprefix('base_model.model.')}"] = parameter.grad.contiguous()
    metrics = {key: values[-1] for key, values in trainer._metrics["train"].items() if "lm_head" not in key}
    wanted = ("reward", "kl", "clip_ratio", "completions", "frac")
    return {
        "options": {"beta": 0.0, "epsilon": 0.2, **options},
        "advantages": inputs["advantages"].tolist(),
        "logProbs": rows(measured),
        "old": rows(inputs["old_per_token_logps"]) if has_old else None,
        "reference": rows(inputs["ref_per_token_logps"]) if "ref_per_token_logps" in inputs else None,
        "loss": loss.item(),
        "metrics": {key: value for key, value in metrics.items() if key.startswith(wanted)},
    }


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    gradients: dict[str, torch.Tensor] = {}
    cases = {}
    for name, options in CASES.items():
        deterministic(0)
        cases[name] = run(name, options, gradients)
    import trl

    write_json(
        OUT / "expected.json",
        {
            "versions": {**versions(), "trl": trl.__version__},
            "group": GROUP,
            "longest": LONGEST,
            "eos": EOS,
            "prompts": PROMPTS,
            "completions": COMPLETIONS,
            "rewards": REWARDS,
            "weights": WEIGHTS,
            "cases": cases,
        },
    )
    save_file(gradients, OUT / "expected.safetensors")


main()
