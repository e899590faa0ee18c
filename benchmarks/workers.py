"""Throughput of several workers on one machine, beside one worker: trials of AWP trained side by side.

    python benchmarks/workers.py [--model FOLDER --data FOLDER --rows 200] [--ways 1x2,2x1] [--minutes 4]
    python benchmarks/workers.py --device-list 1,2,4 --minutes 2 --model FOLDER --data FOLDER   # on one GPU

A way is WORKERSxTHREADS. In every round each way trains for some seconds, so that what else the machine does meets all of
them. Counted are training steps; evaluations take part of the time, as in a search. The best round of each way is shown, and
its steps a second as a share of the first way's. On a GPU also the most memory of a worker.
"""

import argparse
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--data", default="reviews")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--ways", default="1x2,2x1")
    parser.add_argument("--device-list", default="", help="numbers of workers on one GPU: 1,2,4")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ways = [tuple(map(int, way.split("x"))) for way in args.ways.split(",")]
    if args.device_list:
        ways = [(int(many), 1) for many in args.device_list.split(",")]
    context = multiprocessing.get_context("spawn")
    workers = [begin(context, vars(args)) for _ in range(max(many for many, _ in ways))]
    began = time.monotonic()
    for _, pipe in workers:
        print(pipe.recv(), flush=True)
    seconds = max(5.0, (60 * args.minutes - (time.monotonic() - began)) / (args.rounds * len(ways)))
    best: dict[tuple[int, ...], tuple[float, float]] = {}
    for _ in range(args.rounds):
        for many, threads in ways:
            for _, pipe in workers[:many]:
                pipe.send((threads, seconds))
            found = [pipe.recv() for _, pipe in workers[:many]]
            rate, memory = sum(steps for steps, _ in found) / seconds, max(memory for _, memory in found)
            best[many, threads] = max(best.get((many, threads), (0.0, 0.0)), (rate, memory))
    for process, pipe in workers:
        pipe.send(None)
        process.join()
    print(f"{args.model} on {args.data}, batches of {args.batch}, {args.precision}, windows of {seconds:.0f} s")
    first = best[tuple(ways[0])][0]
    for (many, threads), (rate, memory) in best.items():
        more = f"  {memory / 2**30:.2f} GiB a worker" if memory else ""
        print(f"{many} x {threads} threads  {rate:8.2f} steps/s  {rate / first:5.2f}{more}")


def begin(context: Any, asked: dict[str, Any]) -> tuple[Any, Connection]:
    mine, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, asked))
    process.start()
    return process, mine


def work(pipe: Connection, asked: dict[str, Any]) -> None:
    """Train for as long as it is told, as often as it is told."""
    import torch

    from adv import AWP
    from finetune.config import Data, Recipe
    from finetune.data.load import load_task
    from finetune.training.bench import Bench
    from finetune.training.loop import Training

    data = Data(task="reviews") if asked["data"] == "reviews" else Data(data=asked["data"])
    small = {} if asked["model"] == "tiny" else {"learning_rate": 5e-5}
    recipe = Recipe(model=asked["model"], batch_size=asked["batch"], precision=asked["precision"], epochs=3, **small)
    data = data.model_copy(update={"max_train_rows": asked["rows"], "max_validation_rows": asked["rows"]})
    bench = Bench(load_task(data), recipe)
    pipe.send(f"worker {os.getpid()}: {bench.device}, {len(bench.task.train)} rows")
    while (told := pipe.recv()) is not None:
        threads, seconds = told
        torch.set_num_threads(threads)
        pipe.send((steps_in(lambda: Training(bench, recipe, AWP(adv_lr=0.01, adv_eps=0.01)), seconds), peak(torch)))


def steps_in(training_of: Any, seconds: float) -> int:
    """The steps of trials, one after the other, until the time is up."""
    end, steps = time.monotonic() + seconds, 0
    while True:
        training = training_of()
        backward = training.method.backward

        def counted(*given: Any, _backward: Any = backward, **named: Any) -> Any:
            nonlocal steps
            if time.monotonic() >= end:
                raise TimeoutError
            steps += 1
            return _backward(*given, **named)

        training.method.backward = counted
        try:
            for _ in training.epochs():
                pass
        except TimeoutError:
            return steps


def peak(torch: Any) -> int:
    """The most memory on the GPU, in bytes."""
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0


if __name__ == "__main__":
    main()
