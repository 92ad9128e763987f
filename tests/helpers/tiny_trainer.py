"""A real training, small enough for tests: logistic regression by gradient descent, with a bar as sd-scripts draws it.

It writes without pause, keeps a copy of every byte that it prints (`copy.log`, written first), and has a child in a
session of its own that counts into `child.txt`. Standard library only; no part of loramon.

usage: tiny_trainer.py FOLDER STEPS SECONDS_PER_STEP [--child] [--save-on-int] [--ignore int,term] [--nan STEP] [--exit N]
                       [--save-every N] [--until-told]: ends in order at the step at which FOLDER/enough is there
"""

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("steps", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--child", action="store_true")
    parser.add_argument("--save-on-int", action="store_true")
    parser.add_argument("--ignore", default="")
    parser.add_argument("--nan", type=int, default=0)
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=0)
    parser.add_argument("--until-told", action="store_true")
    parser.add_argument("--learning_rate", type=float, default=0.5)
    args = parser.parse_args()
    for name in filter(None, args.ignore.split(",")):
        signal.signal(getattr(signal, f"SIG{name.upper()}"), signal.SIG_IGN)
    copy = open(os.path.join(args.folder, "copy.log"), "ab", buffering=0)  # noqa: SIM115

    def say(text):
        data = text.encode()
        copy.write(data)
        os.write(2, data)

    if args.child:
        counting = (
            "import sys,time,os\nn=0\nwhile True:\n n+=1\n f=open(sys.argv[1],'w'); f.write(str(n)); f.close()\n"
            " time.sleep(0.05)\n if os.getppid()==1: sys.exit()"
        )
        subprocess.Popen([sys.executable, "-c", counting, os.path.join(args.folder, "child.txt")], start_new_session=True, stdin=subprocess.DEVNULL)
    rng = random.Random(1)
    data = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(64)]
    wanted = [1.0 if x + 2 * y > 0 else 0.0 for x, y in data]
    w, mean, began = [0.0, 0.0], 0.0, time.monotonic()
    say("running training / 学習開始\n  num train images * repeats / 学習画像の数×繰り返し回数: 64\n")
    try:
        for step in range(1, args.steps + 1):
            loss = 0.0
            g = [0.0, 0.0]
            for (x, y), t in zip(data, wanted, strict=True):
                p = 1 / (1 + math.exp(-max(-50.0, min(50.0, w[0] * x + w[1] * y))))
                loss -= math.log(max(1e-12, p if t else 1 - p)) / 64
                g[0] += (p - t) * x / 64
                g[1] += (p - t) * y / 64
            w = [a - args.learning_rate * b for a, b in zip(w, g, strict=True)]
            if args.nan and step >= args.nan:
                loss = float("nan")
            mean += (loss - mean) / step
            took = time.monotonic() - began
            pace = step / took if took else 0.0
            full = step * 10 // args.steps
            left = (args.steps - step) / pace if pace else 0
            clock = f"{int(took) // 60:02d}:{int(took) % 60:02d}<{int(left) // 60:02d}:{int(left) % 60:02d}"
            say(f"\rsteps: {step * 100 // args.steps:3d}%|{'█' * full}{' ' * (10 - full)}| {step}/{args.steps} [{clock}, {pace:5.2f}it/s, avr_loss={mean:.3g}]")
            if args.save_every and step % args.save_every == 0:
                path = os.path.join(args.folder, f"at-step{step:08d}.safetensors")
                say(f"\nsaving checkpoint: {path}\n")
                with open(path, "wb") as save:
                    for _ in range(10):  # as long as a save takes
                        save.write(bytes(1000))
                        save.flush()
                        time.sleep(0.05)
            if args.seconds:
                time.sleep(args.seconds)
            if args.until_told and os.path.exists(os.path.join(args.folder, "enough")):
                break
    except KeyboardInterrupt:
        if args.save_on_int:
            say("\nsaving checkpoint: last.safetensors\n")
            open(os.path.join(args.folder, "saved"), "w").close()
            sys.exit(0)
        raise
    say("\nmodel saved.\n")
    sys.exit(args.exit)


main()
