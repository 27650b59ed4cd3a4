"""Thirty steps of SOAP in f64, written from the paper (Vyas et al. 2024, arXiv 2409.11321, Algorithm 3) and the choices of its authors' code.

    python tests/oracle/soap.py

Writes tests/golden/ops/soap.json: for each case the options, and of each matrix the weights after some steps and the state after the last.
The numbers that start are not in it: `number()` below and in tests/plugins/optim/soap.test.ts gives the same. Needs torch.

Where pytorch_optimizer is installed, its SOAP is asked too, and must give the same weights.
"""

import math

import torch

from common import GOLDEN, write_json

STEPS = 30
KEPT = (1, 2, 11, 12, 30)


def number(i: int, seed: int) -> float:
    """In [-1, 1), the same in every language."""
    x = math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453
    return 2 * (x - math.floor(x)) - 1


def numbers(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.tensor([number(i, seed) for i in range(math.prod(shape))], dtype=torch.float64).reshape(shape)


class Soap:
    """One matrix (m, n). `left`, `right`: which of its sides have a basis."""

    def __init__(self, weight, left, right, lr, betas=(0.95, 0.95), shampoo_beta=0.95, eps=1e-8, weight_decay=0.0,
                 precondition_frequency=10, correct_bias=True):
        m, n = weight.shape
        self.weight = weight
        self.lr, self.betas, self.shampoo_beta, self.eps = lr, betas, shampoo_beta, eps
        self.weight_decay, self.frequency, self.correct_bias = weight_decay, precondition_frequency, correct_bias
        zero = torch.zeros(0, dtype=torch.float64)
        self.gram_left = torch.zeros(m, m, dtype=torch.float64) if left else zero
        self.gram_right = torch.zeros(n, n, dtype=torch.float64) if right else zero
        self.q_left, self.q_right = torch.eye(m, dtype=torch.float64), torch.eye(n, dtype=torch.float64)
        self.m = torch.zeros_like(weight)  # in the original coordinates
        self.v = torch.zeros_like(weight)  # in the eigenbasis
        self.t = -1

    def watch(self, g):
        if len(self.gram_left):
            self.gram_left = self.shampoo_beta * self.gram_left + (1 - self.shampoo_beta) * g @ g.T
        if len(self.gram_right):
            self.gram_right = self.shampoo_beta * self.gram_right + (1 - self.shampoo_beta) * g.T @ g

    def step(self, g):
        self.t += 1
        if self.t == 0:  # the first gradient only gives the bases
            self.watch(g)
            if len(self.gram_left):
                self.q_left = torch.linalg.eigh(self.gram_left)[1].flip(1)
            if len(self.gram_right):
                self.q_right = torch.linalg.eigh(self.gram_right)[1].flip(1)
            return
        beta1, beta2 = self.betas
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * (self.q_left.T @ g @ self.q_right) ** 2
        rate = self.lr
        if self.correct_bias:
            rate *= math.sqrt(1 - beta2**self.t) / (1 - beta1**self.t)
        inside = (self.q_left.T @ self.m @ self.q_right) / (self.v.sqrt() + self.eps)
        self.weight = self.weight - rate * self.q_left @ inside @ self.q_right.T
        self.weight = self.weight * (1 - self.lr * self.weight_decay)
        self.watch(g)
        if self.t % self.frequency == 0:
            if len(self.gram_left):
                self.q_left, order = self.power_iteration(self.gram_left, self.q_left)
                self.v = self.v[order]
            if len(self.gram_right):
                self.q_right, order = self.power_iteration(self.gram_right, self.q_right)
                self.v = self.v[:, order]

    @staticmethod
    def power_iteration(gram, q):
        moved = gram @ q
        order = (q * moved).sum(0).argsort(descending=True)
        return torch.linalg.qr(moved[:, order])[0], order


CASES = {
    # As lora_A and lora_B: only the short side.
    "lora_A": {"shape": (4, 40), "left": True, "right": False, "options": {}},
    "lora_B": {"shape": (40, 4), "left": False, "right": True, "options": {"weight_decay": 0.1}},
    "both": {"shape": (6, 6), "left": True, "right": True, "options": {"betas": (0.9, 0.99), "shampoo_beta": 0.9}},
    "often": {
        "shape": (5, 6),
        "left": True,
        "right": True,
        "options": {"precondition_frequency": 3, "weight_decay": 0.01, "eps": 1e-4},
    },
    "without_correction": {"shape": (3, 24), "left": True, "right": False, "options": {"correct_bias": False}},
}


def floats(x: torch.Tensor) -> list[float]:
    return [float(f"{value:.10g}") for value in x.reshape(-1).tolist()]


def peer(shape, options, sides):
    """pytorch_optimizer's weights after every step, in f64; None without it."""
    try:
        from pytorch_optimizer import SOAP
    except ImportError:
        return None
    options = dict(options)
    most = max(shape) if all(sides) else min(shape)
    weight = torch.nn.Parameter(numbers(shape, 0))
    optimizer = SOAP([weight], **{"lr": 0.01, "weight_decay": 0.0, **options}, max_precondition_dim=most)
    found = []
    for step in range(STEPS):
        weight.grad = numbers(shape, step + 1)
        optimizer.step()
        found.append(weight.detach().clone())
    return found


def main() -> None:
    torch.set_num_threads(1)
    cases = []
    for name, case in CASES.items():
        shape, options = case["shape"], case["options"]
        soap = Soap(numbers(shape, 0), case["left"], case["right"], 0.01, **options)
        theirs = peer(shape, options, (case["left"], case["right"]))
        steps = []
        for step in range(STEPS):
            soap.step(numbers(shape, step + 1))
            if theirs is not None:
                # Its QR factorization is in f32.
                assert (theirs[step] - soap.weight).abs().max() < 1e-5, (name, step)
            if step + 1 in KEPT:
                steps.append({"step": step + 1, "weight": floats(soap.weight)})
        inside = soap.q_left.T @ soap.m @ soap.q_right
        state = {
            "v": floats(soap.v),
            "gg_left": floats(soap.gram_left),
            "gg_right": floats(soap.gram_right),
            # Signs of the columns are a matter of the library.
            "m_size": floats(inside.abs()),
            "q_left_size": floats(soap.q_left.abs()),
            "q_right_size": floats(soap.q_right.abs()),
        }
        cases.append({"name": name, "shape": shape, "options": options, "steps": steps, "state": state})
        print(name, "as pytorch_optimizer" if theirs is not None else "alone")
    write_json(GOLDEN / "ops" / "soap.json", {"lr": 0.01, "cases": cases, "versions": {"torch": torch.__version__}})


if __name__ == "__main__":
    main()
