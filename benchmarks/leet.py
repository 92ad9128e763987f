"""Writes an offline wandb run for `benchmarks/dashboard.py --leet`, by a Python that has `wandb`: python leet.py STEPS.

The losses are those of the kohya log that `dashboard.generated` writes: same seed, same three digits.
"""

import random
import sys

import wandb

rng = random.Random(1)
run = wandb.init(project="bench", mode="offline", settings=wandb.Settings(console="off"))
for _ in range(int(sys.argv[1])):
    run.log({"avr_loss": float(f"{0.1 + rng.gauss(0, 0.004):.3g}")})
run.finish()
