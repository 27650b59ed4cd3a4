"""Losses over preferences as trl computes them, their rewards and gradients, and twenty steps of DPO with LoRA.

    python tests/oracle/preferences.py [folder]

Writes tests/golden/preferences/ (or `folder`, with the gradients of every tensor):
  data.json                pairs {prompt, chosen, rejected} and answers {prompt, completion, label} as token ids
  expected.json            per case: objective and options as tritune names them, loss and metrics; `steps`: the losses of
                           twenty steps of DPO with the recipe; versions
  gradients.safetensors    <case>/<tensor of the adapter>

The policy is tests/golden/peft-train/base with adapter-b-nonzero, the reference is the base; all examples are one batch.
A reward model is the base with a head of one score. In distillation, which is computed with torch, the policy teaches the base.
A token id i is the word "t00i" of a word-level tokenizer, so texts are token ids.
"""

import sys
import tempfile
import warnings
from pathlib import Path

from common import GOLDEN, deterministic, versions, write_json, write_tensors

import torch
import torch.nn.functional as F
import trl
from datasets import Dataset
from peft import PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

logging.disable_progress_bar()
warnings.filterwarnings("ignore")

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN / "preferences"
ALL_GRADIENTS = len(sys.argv) > 1
BASE = GOLDEN / "peft-train" / "base"
POLICY = GOLDEN / "peft-train" / "adapter-b-nonzero"
START = GOLDEN / "peft-train" / "adapter-init"
VOCABULARY = 101
RECIPE = dict(steps=20, learningRate=5e-3, beta=0.1)

DPO_CASES = {
    "sigmoid": {},
    "hinge": {},
    "ipo": {},
    "exo_pair": {"label_smoothing": 0.1},
    "nca_pair": {},
    "robust": {"label_smoothing": 0.1},
    "bco_pair": {},
    "sppo_hard": {},
    "apo_zero": {},
    "apo_down": {},
    "discopop": {},
    "sigmoid_norm": {},
    "sft": {},
}


def tokenizer() -> PreTrainedTokenizerFast:
    names = {word(i): i for i in range(VOCABULARY)}
    inner = Tokenizer(models.WordLevel(names, unk_token=word(0)))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=word(1), eos_token=word(2), pad_token=word(0), unk_token=word(0)
    )


def word(i: int) -> str:
    return f"t{i:03d}"  # special tokens are found inside of words too


def words(ids: list[int]) -> str:
    return " ".join(map(word, ids))


def make_data() -> dict:
    generator = torch.Generator().manual_seed(71)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    def some(low: int, high: int) -> list[int]:
        return [draw(3, VOCABULARY) for _ in range(draw(low, high))]

    pairs = []
    for _ in range(6):
        prompt = [1, *some(2, 8)]
        pairs.append({"prompt": prompt, "chosen": [*some(2, 9), 2], "rejected": [*some(1, 12), 2]})
    answers = [
        {"prompt": pair["prompt"], "completion": pair[key], "label": key == "chosen"}
        for i, pair in enumerate(pairs)
        for key in (["chosen", "rejected"] if i % 2 == 0 else ["rejected"])
    ]
    return {"pairs": pairs, "answers": answers}


def pair_dataset(data: dict) -> Dataset:
    return Dataset.from_list(
        [
            {"prompt": words(p["prompt"]) + " ", "chosen": words(p["chosen"]), "rejected": words(p["rejected"])}
            for p in data["pairs"]
        ]
    )


def answer_dataset(data: dict) -> Dataset:
    return Dataset.from_list(
        [
            {"prompt": words(a["prompt"]) + " ", "completion": words(a["completion"]), "label": a["label"]}
            for a in data["answers"]
        ]
    )


def load_base():
    return AutoModelForCausalLM.from_pretrained(BASE, attn_implementation="eager", dtype=torch.float32)


def load_policy(folder: Path) -> PeftModel:
    return PeftModel.from_pretrained(load_base(), str(folder), is_trainable=True)


def settings(count: int, temporary: str) -> dict:
    return dict(
        output_dir=temporary,
        per_device_train_batch_size=count,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_length=None,
        disable_dropout=True,
    )


def gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    found = {
        name.replace(".default.", ".").removeprefix("base_model.model."): p.grad.clone()
        for name, p in model.named_parameters()
        if p.grad is not None and ".ref." not in name
    }
    if ALL_GRADIENTS:
        return found
    return {k: v for k, v in found.items() if "layers.1." in k and ("q_proj" in k or "down_proj" in k)}


def measured(trainer, loss: torch.Tensor, metrics: dict) -> tuple[dict, dict]:
    loss.backward()
    model = trainer.accelerator.unwrap_model(trainer.model)
    return {"loss": float(loss.detach()), "metrics": {k: float(v) for k, v in sorted(metrics.items())}}, gradients(model)


def first_batch(trainer) -> dict:
    return trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))


WANTED = ("rewards/", "logps/", "nll_loss", "log_odds", "kl")


def only_wanted(metrics: dict) -> dict:
    found = {}
    for key, values in metrics.items():
        if key.startswith(WANTED):
            found[key] = values[-1] if isinstance(values, list) else values
    return found


def dpo_case(data: dict, temporary: str, options: dict):
    config = DPOConfig(**settings(len(data["pairs"]), temporary), beta=options.get("beta", 0.1), **{
        k: v for k, v in options.items() if k != "beta"})
    trainer = DPOTrainer(
        load_policy(POLICY), load_base(), args=config, train_dataset=pair_dataset(data), processing_class=tokenizer()
    )
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, first_batch(trainer))
    return measured(trainer, loss, only_wanted(trainer._metrics["train"]))


def kto_case(data: dict, temporary: str, options: dict):
    config = KTOConfig(**settings(len(data["answers"]), temporary), train_sampling_strategy="sequential", **options)
    trainer = KTOTrainer(
        load_policy(POLICY), load_base(), args=config, train_dataset=answer_dataset(data), processing_class=tokenizer()
    )
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, first_batch(trainer))
    return measured(trainer, loss, only_wanted(trainer._metrics["train"]))


def pair_case(trainer_class, config_class, data: dict, temporary: str, options: dict):
    config = config_class(**settings(len(data["pairs"]), temporary), **options)
    trainer = trainer_class(
        load_policy(POLICY), args=config, train_dataset=pair_dataset(data), processing_class=tokenizer()
    )
    trainer.model.train()
    loss, metrics = trainer.get_batch_loss_metrics(trainer.model, first_batch(trainer), "train")
    metrics = only_wanted(metrics)
    if options.get("cpo_alpha") == 0:
        metrics.pop("nll_loss")  # trl reports 0 for what it does not compute
    return measured(trainer, loss, metrics)


def cases(data: dict, temporary: str):
    for name, options in DPO_CASES.items():
        ours = {"loss_type": [name], **options}
        yield f"dpo {name}", "dpo", ours, lambda: dpo_case(data, temporary, ours)
    several = {"beta": 0.3, "loss_type": ["sigmoid", "ipo", "sft"], "loss_weights": [1.0, 0.25, 0.5]}
    yield "dpo several", "dpo", several, lambda: dpo_case(data, temporary, several)
    for beta in (0.1, 0.5):
        yield f"orpo {beta}", "orpo", {"beta": beta}, lambda: pair_case(
            ORPOTrainer, ORPOConfig, data, temporary, {"beta": beta})
    for name, options in {
        "cpo": {},
        "cpo smoothed": {"label_smoothing": 0.1, "cpo_alpha": 0.5},
        "cpo hinge": {"loss_type": "hinge"},
        "cpo ipo": {"loss_type": "ipo", "cpo_alpha": 0.0},
        "simpo": {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.0, "cpo_alpha": 0.0},
        "cpo-simpo": {"loss_type": "simpo"},
    }.items():
        yield name, "cpo", options, lambda: pair_case(CPOTrainer, CPOConfig, data, temporary, options)
    for name, options in {"kto": {}, "kto weighted": {"beta": 0.4, "desirable_weight": 1.5, "undesirable_weight": 0.5}}.items():
        yield name, "kto", options, lambda: kto_case(data, temporary, options)
    for name, options in {"reward": {}, "reward centred": {"center_rewards_coefficient": 0.01}}.items():
        yield name, "reward", options, lambda: reward_case(data, temporary, options)
    for name, options in {
        "distillation": {},
        "distillation T 2": {"temperature": 2.0, "alpha": 0.9, "ce_alpha": 0.1},
        "distillation reverse": {"beta": 1.0},
        "distillation mixed": {"beta": 0.3, "temperature": 1.5},
    }.items():
        yield name, "distillation", options, lambda: distillation_case(data, options)


def weight_gradients(model) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    if ALL_GRADIENTS:
        return found
    return {k: v for k, v in found.items() if "layers.1." in k and ("q_proj" in k or "k_proj" in k)}


def reward_case(data: dict, temporary: str, options: dict):
    """The base with a head of one score whose weights go evenly from -1 to 1; every pair has a margin."""
    model = AutoModelForSequenceClassification.from_pretrained(
        BASE, num_labels=1, attn_implementation="eager", dtype=torch.float32
    )
    with torch.no_grad():
        model.score.weight.copy_(torch.linspace(-1, 1, model.config.hidden_size).view(1, -1))
    rows = [
        {"prompt": words(p["prompt"]) + " ", "chosen": words(p["chosen"]), "rejected": words(p["rejected"]), "margin": i / 8}
        for i, p in enumerate(data["pairs"])
    ]
    config = RewardConfig(**settings(len(rows), temporary), train_sampling_strategy="sequential", **options)
    trainer = RewardTrainer(model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer())
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, first_batch(trainer))
    loss.backward()
    metrics = {k: float(trainer._metrics["train"][k][-1]) for k in ("accuracy", "margin", "mean_reward")}
    return {"loss": float(loss.detach()), "metrics": metrics}, weight_gradients(model)


def distillation_case(data: dict, options: dict):
    """The formula of axolotl's kd loss over the whole vocabulary; the teacher is the policy, the student the base."""
    student = load_base()
    teacher = load_policy(POLICY).eval()
    alpha, ce_alpha = options.get("alpha", 0.5), options.get("ce_alpha", 0.5)
    temperature, beta = options.get("temperature", 1.0), options.get("beta", 0.0)
    tokens = sum(len(p["chosen"]) for p in data["pairs"])
    kd = ce = 0.0
    for pair in data["pairs"]:
        ids = torch.tensor([pair["prompt"] + pair["chosen"]])
        start = len(pair["prompt"]) - 1
        ours = student(input_ids=ids, use_cache=False).logits[0, start:-1]
        with torch.no_grad():
            theirs = teacher(input_ids=ids, use_cache=False).logits[0, start:-1]
        ce = ce + F.cross_entropy(ours, ids[0, start + 1 :], reduction="sum")
        s, t = F.log_softmax(ours / temperature, -1), F.log_softmax(theirs / temperature, -1)
        if beta == 0:
            one = F.kl_div(s, t, reduction="sum", log_target=True)
        elif beta == 1:
            one = F.kl_div(t, s, reduction="sum", log_target=True)
        else:
            mean = ((1 - beta) * s.exp() + beta * t.exp()).log()
            one = beta * F.kl_div(mean, t, reduction="sum", log_target=True) + (1 - beta) * F.kl_div(
                mean, s, reduction="sum", log_target=True
            )
        kd = kd + one * temperature**2
    loss = (alpha * kd + ce_alpha * ce) / tokens
    loss.backward()
    metrics = {"kd_loss": float(kd.detach()) / tokens, "ce_loss": float(ce.detach()) / tokens}
    return {"loss": float(loss.detach()), "metrics": metrics}, weight_gradients(student)


def twenty_steps(data: dict, temporary: str) -> list[float]:
    """From an adapter that does nothing yet: DPO, AdamW, a constant rate, all pairs in each step."""
    losses = []

    class Recording(DPOTrainer):
        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            losses.append(float(loss.detach()))
            return loss

    config = DPOConfig(
        **settings(len(data["pairs"]), temporary),
        beta=RECIPE["beta"],
        max_steps=RECIPE["steps"],
        learning_rate=RECIPE["learningRate"],
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        save_strategy="no",
        logging_steps=1,
        seed=7,
    )
    trainer = Recording(
        load_policy(START), load_base(), args=config, train_dataset=pair_dataset(data), processing_class=tokenizer()
    )
    trainer.train()
    return losses[: RECIPE["steps"]]


def main() -> None:
    deterministic(70)
    data = make_data()
    write_json(OUT / "data.json", data)
    expected, tensors = {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, objective, options, compute in cases(data, temporary):
            result, found = compute()
            expected[name] = {"objective": objective, "options": options, **result}
            tensors |= {f"{name}/{k}": v for k, v in found.items()}
            print(f"{name}: loss {result['loss']:.6f}, {len(found)} gradients", flush=True)
        steps = twenty_steps(data, temporary)
    print(f"20 steps: {steps[0]:.6f} … {steps[-1]:.6f}")
    write_tensors(OUT / "gradients.safetensors", tensors)
    write_json(
        OUT / "expected.json",
        {
            "cases": expected,
            "recipe": RECIPE,
            "steps": steps,
            "versions": versions() | {"trl": trl.__version__},
        },
    )


if __name__ == "__main__":
    main()
