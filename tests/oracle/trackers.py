"""What the clients of Python read and send of a run: `python trackers.py read <folder>`, or `wandb|mlflow <metrics.jsonl> <config.json>`.

read: TensorBoard's own reader on our event files, as JSON on stdout. wandb, mlflow: their own clients tell the run to the server of the environment.
"""

import json
import sys


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = {
        tag: [[e.step, tensor_util.make_ndarray(e.tensor_proto)[0].decode()] for e in events.Tensors(tag)]
        for tag in tags["tensors"]
    }
    histograms = {
        tag: [
            [e.step, v.min, v.max, v.num, v.sum, v.sum_squares, list(v.bucket_limit), list(v.bucket)]
            for e in events.Histograms(tag)
            for v in [e.histogram_value]
        ]
        for tag in tags["histograms"]
    }
    print(json.dumps({"scalars": scalars, "texts": texts, "histograms": histograms}))


def lines_of(path):
    with open(path) as file:
        for line in file:
            values = json.loads(line)
            yield values.pop("step"), {name: float("nan") if v is None else v for name, v in values.items()}


def grouped(name):
    return f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}"


def tell_wandb(metrics, config):
    import wandb

    quiet = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True, save_code=False)
    run = wandb.init(project="tries", entity="me", name="theirs", config=config, settings=quiet)
    for step, values in lines_of(metrics):
        run.log({grouped(name): value for name, value in values.items()}, step=step)
    run.finish()


def tell_mlflow(metrics, config):
    import mlflow

    mlflow.set_experiment("tries")
    with mlflow.start_run(run_name="theirs"):
        mlflow.log_params(config)
        for step, values in lines_of(metrics):
            mlflow.log_metrics(values, step=step)


def main():
    what, path, *rest = sys.argv[1:]
    if what == "read":
        return read(path)
    with open(rest[0]) as file:
        config = json.load(file)
    {"wandb": tell_wandb, "mlflow": tell_mlflow}[what](path, config)


main()
