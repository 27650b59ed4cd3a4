"""Writes tests/golden/data/splits.json: which files of a folder `datasets.load_dataset` puts into which split.

Run: python tests/oracle/dataset_splits.py (needs datasets)
"""

import json
import tempfile
from pathlib import Path

import datasets

OUT = Path(__file__).parent.parent / "golden" / "data" / "splits.json"

FOLDERS = [
    ["train.jsonl", "valid.jsonl", "test.jsonl"],
    ["a.jsonl", "b.jsonl"],
    ["b.jsonl", "a/z.jsonl", "a/b/c.jsonl", "B.jsonl"],
    ["train-00.jsonl", "train-01.jsonl", "training.jsonl", "my_train.jsonl", "trainer.jsonl"],
    ["dev.jsonl", "eval.jsonl", "evaluation.jsonl", "val.jsonl", "validation.jsonl", "testing.jsonl", "training.jsonl"],
    ["data/train.jsonl", "data/other.jsonl", "test/x.jsonl", "x/train_1/y.jsonl", "x/my-dev/deep/z.jsonl"],
    ["train/a.jsonl", "train/b.jsonl", "validation/a.jsonl", "test.jsonl"],
    ["foo train.jsonl", "foo.test.jsonl", "foo2valid.jsonl", "latest.jsonl", "contest.jsonl"],
    ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/extra-00000-of-00001.jsonl", "train.jsonl"],
    ["TRAIN.jsonl", "Test.jsonl"],
    ["train_test.jsonl"],
    [".hidden/train.jsonl", "__cache__/train.jsonl", ".train.jsonl", "a.jsonl"],
    ["test.jsonl", "dev.jsonl"],
    ["config.json", "dataset_info.json", "a.json"],
    ["train1.jsonl", "train2.jsonl", "1test.jsonl"],
    ["alpha/train.jsonl", "alpha/test.jsonl", "beta/train.jsonl"],
    ["évaluation/a.jsonl", "dev é.jsonl"],
    ["val/train.jsonl", "b.jsonl"],
]


def splits(folder):
    try:
        loaded = datasets.load_dataset(str(folder))
    except Exception as error:
        return {"error": type(error).__name__}
    return {name: list(split["file"]) for name, split in loaded.items()}


def main():
    datasets.disable_progress_bars()
    cases = []
    for index, files in enumerate(FOLDERS):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / f"folder{index}"
            for file in files:
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"file": file}) + "\n")
            cases.append({"files": files, "splits": splits(folder)})
    slices = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "slices"
        folder.mkdir()
        (folder / "train.jsonl").write_text("".join(json.dumps({"i": i}) + "\n" for i in range(7)))
        (folder / "test.jsonl").write_text("".join(json.dumps({"i": i}) + "\n" for i in range(5)))
        for split in ["train", "test", "train[:2]", "train[2:]", "train[-2:]", "train[:-2]", "train[:50%]", "test[:50%]", "test[50%:]", "test[:30%]", "train[10%:90%]", "train[-20%:]", "train[3:3]", "train[1_0:]", "train[:1_0]", "test[10%:3]", "train[5:2]", "train[:]", "validation", "test[:150%]", "train[-100:3]"]:  # fmt: skip
            try:
                slices.append({"split": split, "records": list(datasets.load_dataset(str(folder), split=split)["i"])})
            except Exception as error:
                slices.append({"split": split, "error": type(error).__name__})
    OUT.write_text(json.dumps({"folders": cases, "slices": slices}, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
