"""What PGT-I's largest run would take at best: its step time, and the costs of several workers measured here.

    python benchmarks/scaling_model.py [--all-reduce 1.72] [--preprocessing 8.4] [--epoch 0.06]

The defaults are what benchmarks/scaling.py printed; benchmarks/scaling.md says what is assumed.
"""

import argparse
import math

# PGT-I (SC'25): PeMS, 105,120 entries, windows of 12 + 12, 70/10/20, batch 64 a GPU, 30 epochs on A100s.
WINDOWS = 105_120 - 2 * 12 + 1
TRAIN, VALIDATION = round(0.7 * WINDOWS), round(0.1 * WINDOWS)
BATCH, EPOCHS = 64, 30
ONE_GPU = 60 * 332.79  # seconds, section 5.3
THEIR_PREPROCESSING = 12.0  # seconds: "10-15 seconds observed in the majority of index-batching experiments"
FORWARD = 1 / 3  # of a training step: a validation batch


def batches(workers: int) -> tuple[int, int]:
    """Training and validation batches of the busiest worker in one epoch."""
    validation = math.ceil(VALIDATION / BATCH)
    return math.ceil(TRAIN / (BATCH * workers)), math.ceil(validation / workers)


def step_seconds() -> float:
    """Their training step, from their run on one GPU."""
    train, validation = batches(1)
    return (ONE_GPU - THEIR_PREPROCESSING) / (EPOCHS * (train + FORWARD * validation))


def run_seconds(workers: int, all_reduce: float, preprocessing: float, epoch: float) -> float:
    """A whole run. `all_reduce` is that between two workers; it grows with the depth of a tree over them."""
    train, validation = batches(workers)
    exchange = all_reduce * math.log2(workers) if workers > 1 else 0.0
    step = step_seconds()
    return preprocessing + EPOCHS * (train * (step + exchange) + validation * FORWARD * step + epoch)


def main() -> None:
    """Print the table of benchmarks/scaling.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all-reduce", type=float, default=1.72, help="ms between two workers")
    parser.add_argument("--preprocessing", type=float, default=8.4, help="seconds, at PeMS' size")
    parser.add_argument("--epoch", type=float, default=0.06, help="seconds an epoch beside its batches")
    options = parser.parse_args()
    costs = (options.all_reduce / 1e3, options.preprocessing, options.epoch)
    print(f"training step {step_seconds():.3f} s\n")
    print("| GPUs | steps an epoch | minutes | speed-up | efficiency |\n|---|---|---|---|---|")
    for workers in (1, 4, 8, 16, 32, 64, 128):
        seconds = run_seconds(workers, *costs)
        gain = ONE_GPU / seconds
        print(
            f"| {workers} | {batches(workers)[0]} | {seconds / 60:.2f} | {gain:.1f} | {100 * gain / workers:.0f} % |"
        )


if __name__ == "__main__":
    main()
