"""Learning rates of the schedules that ops.py does not have: transformers', torch's OneCycleLR and ReduceLROnPlateau, axolotl's RexLR.

    python tests/oracle/schedules.py axolotl/src/axolotl/utils/schedulers.py

Writes tests/golden/ops/more-schedules.json: factors on the peak rate for runs of 20 steps, and for the plateau the losses and the rate
after each. The argument is that file of axolotl's sources, which only torch is needed for.
"""

import importlib.util
import random
import sys

from common import GOLDEN, versions, write_json

import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from transformers import optimization as schedules

PEAK = 2e-3
TOTAL = 20


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)


def factors(make, **options) -> dict:
    owner = optimizer()
    schedule = make(owner, **options)
    values = []
    for _ in range(TOTAL):
        values.append(schedule.get_last_lr()[0] / PEAK)
        owner.step()
        schedule.step()
    return {"options": options, "factors": values}


def plateau(losses, **options) -> dict:
    owner = optimizer()
    schedule = ReduceLROnPlateau(owner, **options)
    values = []
    for loss in losses:
        schedule.step(loss)
        values.append(owner.param_groups[0]["lr"] / PEAK)
    return {"options": options, "losses": losses, "factors": values}


def main(axolotl: str) -> None:
    spec = importlib.util.spec_from_file_location("axolotl_schedulers", axolotl)
    rex = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rex)

    run = dict(num_warmup_steps=4, num_training_steps=TOTAL)
    wsd = dict(num_warmup_steps=4, num_decay_steps=6, num_training_steps=TOTAL)
    warm = schedules.get_cosine_with_min_lr_schedule_with_warmup_lr_rate
    cycle = dict(max_lr=PEAK, total_steps=TOTAL, cycle_momentum=False)
    axolotl_rex = dict(max_lr=PEAK, total_steps=TOTAL)
    cases = {
        "cosine-cycles": factors(schedules.get_cosine_schedule_with_warmup, num_cycles=1.5, **run),
        "cosine_with_min_lr": factors(schedules.get_cosine_with_min_lr_schedule_with_warmup, min_lr=PEAK / 8, **run),
        "cosine_with_restarts": factors(
            schedules.get_cosine_with_hard_restarts_schedule_with_warmup, num_cycles=3, **run
        ),
        "polynomial": factors(schedules.get_polynomial_decay_schedule_with_warmup, **run),
        "polynomial-power": factors(
            schedules.get_polynomial_decay_schedule_with_warmup, lr_end=PEAK / 20, power=2.0, **run
        ),
        "inverse_sqrt": factors(schedules.get_inverse_sqrt_schedule, num_warmup_steps=4),
        "inverse_sqrt-timescale": factors(schedules.get_inverse_sqrt_schedule, num_warmup_steps=2, timescale=7),
        "inverse_sqrt-no-warmup": factors(schedules.get_inverse_sqrt_schedule, num_warmup_steps=0),
        "cosine_warmup": factors(warm, min_lr_rate=0.1, **run),
        "cosine_warmup-rate": factors(warm, min_lr_rate=0.1, warmup_lr_rate=0.3, **run),
        "wsd-linear": factors(schedules.get_wsd_schedule, decay_type="linear", warmup_type="cosine", **wsd),
        "wsd-sqrt": factors(
            schedules.get_wsd_schedule, decay_type="1-sqrt", warmup_type="1-sqrt", min_lr_ratio=0.1, **wsd
        ),
        "wsd-stable": factors(
            schedules.get_wsd_schedule, num_warmup_steps=2, num_stable_steps=3, num_decay_steps=8, num_cycles=1.5
        ),
        "rex": factors(rex.RexLR, min_lr=0, num_warmup_steps=4, **axolotl_rex),
        "rex-min": factors(rex.RexLR, min_lr=PEAK / 10, num_warmup_steps=0, **axolotl_rex),
        "one_cycle": factors(OneCycleLR, pct_start=0.25, **cycle),
        "one_cycle-none": factors(OneCycleLR, pct_start=0.0, **cycle),
        "one_cycle-linear": factors(
            OneCycleLR, pct_start=0.3, anneal_strategy="linear", div_factor=10.0, final_div_factor=100.0, **cycle
        ),
        "one_cycle-three": factors(OneCycleLR, pct_start=0.3, three_phase=True, **cycle),
    }
    random.seed(5)
    losses = [round(3 / (1 + i / 4) + random.random() * 0.4, 4) for i in range(24)] + [0.9] * 12
    plateaus = [
        plateau(losses, patience=1, factor=0.5),
        plateau(losses, patience=0, factor=0.3, cooldown=2, min_lr=PEAK / 50),
        plateau(losses, patience=2, threshold=0.2, threshold_mode="abs"),
        plateau(losses, patience=0, factor=0.5, eps=PEAK / 10),
    ]
    write_json(
        GOLDEN / "ops" / "more-schedules.json",
        {"peak": PEAK, "total": TOTAL, "cases": cases, "plateaus": plateaus, "versions": versions()},
    )


if __name__ == "__main__":
    main(sys.argv[1])
