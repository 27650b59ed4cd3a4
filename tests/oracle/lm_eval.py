"""lm-evaluation-harness on local files: the items of tests/golden/evaluate, and what it gives for them.

  python lm_eval.py items <folder> <moby-dick.eval.jsonl>   writes the items and task files
  python lm_eval.py run <folder> <model> <out.json> [n]     accuracies, perplexities, log-likelihoods, texts of the first n items of each task, else of
                                                            all; <model> is a folder or a .gguf file

Needs lm-eval, torch, transformers. No network.
"""

import json
import os
import sys
import tempfile

# This file has the name of the package.
sys.path = [path for path in sys.path if os.path.realpath(path or ".") != os.path.dirname(os.path.realpath(__file__))]
for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "LMEVAL_DISABLE_MULTIPROC"):
    os.environ[name] = "1"

YAML = {
    "choice": """task: choice
dataset_path: json
dataset_kwargs:
  data_files: {validation: choice.jsonl, train: examples.jsonl}
validation_split: validation
training_split: train
output_type: multiple_choice
description: "Sentences about {{topic}}.\\n\\n"
doc_to_text: "{% if n > 3 %}Long: {% else %}Short: {% endif %}\\n{{ query | trim }} \\n"
doc_to_choice: "{{ options + [last] }}"
doc_to_target: "{{gold}}"
target_delimiter: ""
num_fewshot: 2
fewshot_config: {sampler: first_n}
metric_list:
  - metric: acc
  - metric: acc_norm
  - metric: acc_bytes
""",
    "last_word": """task: last_word
dataset_path: json
dataset_kwargs:
  data_files: {test: text.jsonl}
test_split: test
output_type: loglikelihood
doc_to_text: "{{ text.split(' ')[:12] | join(' ') }}"
doc_to_target: "{{ ' ' + text.split(' ')[12] }}"
metric_list:
  - metric: perplexity
  - metric: acc
""",
    "rolling": """task: rolling
dataset_path: json
dataset_kwargs:
  data_files: {test: text.jsonl}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: text
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
  - metric: bits_per_byte
""",
    "write": """task: write
dataset_path: json
dataset_kwargs:
  data_files: {test: write.jsonl}
test_split: test
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: answer
generation_kwargs:
  until: [",", ". "]
  max_gen_toks: 24
  do_sample: false
metric_list:
  - metric: exact_match
    ignore_case: true
    ignore_punctuation: true
""",
}


def sentences(path):
    found = []
    for line in open(path, encoding="utf-8"):
        for sentence in json.loads(line)["text"].replace("\n", " ").split(". "):
            words = sentence.split(" ")
            if 14 <= len(words) <= 40:
                found.append(words)
    return found


def make_items(folder, source):
    os.makedirs(folder, exist_ok=True)
    all_words = sentences(source)
    ends = [" ".join(words[9:]) + "." for words in all_words]

    def write(name, records):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def item(i, count):
        """A sentence, the endings of others, and where its own stands."""
        gold = i % count
        endings = [ends[(i * 7 + 13 * (j + 1)) % len(ends)] for j in range(count)]
        endings[gold] = ends[i % len(ends)]
        return all_words[i % len(all_words)], endings, gold

    hellaswag, arc = [], []
    for i in range(24):
        words, endings, gold = item(i, 4)
        hellaswag.append({"activity_label": "Whaling [title] Sea", "ctx_a": " ".join(words[:6]), "ctx_b": " ".join(words[6:9]),
                          "endings": [" " + end + " [substeps] on" for end in endings], "label": str(gold)})
        words, endings, gold = item(i + 24, 3 if i % 3 else 5)
        labels = ["A", "B", "C", "D", "E"] if i % 2 else ["1", "2", "3", "4", "5"]
        arc.append({"question": "What follows “" + " ".join(words[:9]) + "”?",
                    "choices": {"text": endings, "label": labels[: len(endings)]}, "answerKey": labels[gold]})
    # Longer than the 512 tokens that the bundled model knows.
    hellaswag[5]["ctx_a"] = " ".join(" ".join(words) + "." for words in all_words[60:95])
    write("hellaswag.jsonl", hellaswag)
    write("arc.jsonl", arc)
    choice = []
    for i in range(14):
        words, endings, gold = item(i + 50, 3)
        choice.append({"topic": ["whales", "ships"][i % 2], "n": i % 7, "query": " ".join(words[:9]) + "  ",
                       "options": endings[:2], "last": endings[2] + (" 🐋" if i == 3 else ""), "gold": gold})
    write("examples.jsonl", choice[:2])
    write("choice.jsonl", choice[2:])
    long = " ".join(" ".join(words) + "." for words in all_words[40:90])
    write("text.jsonl", [{"text": " ".join(words) + "."} for words in all_words[-12:]]
          + [{"text": long}, {"text": "Ünïcødé — 🐋 and\n\n  spaces\tof several kinds, which are thirteen words or more."}])
    write("write.jsonl", [
        {"prompt": "Mr. Speaker, Mr. Vice President, Members of", "answer": " congress"},
        {"prompt": "Fellow-Citizens of the Senate and House of", "answer": " Representatives!"},
        {"prompt": "The state of the", "answer": " whale"},
        {"prompt": "We are a nation of", "answer": "laws"},
        {"prompt": "In the year 1862 the people of the United", "answer": " States"},
    ])
    for name, text in YAML.items():
        with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as file:
            file.write(text)


def configs(folder):
    """The official texts of HellaSwag and ARC on local files, and the task files."""
    import yaml
    from lm_eval.tasks.hellaswag import utils as hellaswag

    def local(name):
        return {"dataset_path": "json", "dataset_kwargs": {"data_files": {"validation": os.path.join(folder, name)}},
                "validation_split": "validation", "output_type": "multiple_choice",
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True},
                                {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}]}

    yield {**local("hellaswag.jsonl"), "task": "hellaswag", "process_docs": hellaswag.process_docs,
           "doc_to_text": "{{query}}", "doc_to_target": "{{label}}", "doc_to_choice": "choices"}
    yield {**local("arc.jsonl"), "task": "arc", "doc_to_text": "Question: {{question}}\nAnswer:",
           "doc_to_target": "{{choices.label.index(answerKey)}}", "doc_to_choice": "{{choices.text}}"}
    for name, text in YAML.items():
        config = yaml.safe_load(text)
        files = config["dataset_kwargs"]["data_files"]
        config["dataset_kwargs"]["data_files"] = {split: os.path.join(folder, file) for split, file in files.items()}
        yield config


def run(folder, model, out, limit=None):
    import torch
    from importlib.metadata import version
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    torch.manual_seed(0)
    torch.set_num_threads(1)
    where = {"pretrained": model}
    if model.endswith(".gguf"):
        where = {"pretrained": os.path.dirname(model), "gguf_file": os.path.basename(model)}
    lm = HFLM(**where, dtype="float32", device="cpu", batch_size=4)
    tasks = [ConfigurableTask(config=config) for config in configs(os.path.realpath(folder))]
    found = simple_evaluate(model=lm, tasks=tasks, log_samples=True, bootstrap_iters=100, limit=limit and int(limit))
    written = {"lm_eval": version("lm_eval"), "tasks": {}}
    for name, results in found["results"].items():
        measures = {}
        for key, value in results.items():
            metric, _, kind = key.partition(",")
            if kind and isinstance(value, (int, float)):
                measures[metric] = value
        items = []
        for sample in sorted(found["samples"][name], key=lambda sample: sample["doc_id"]):
            answers = [response[0] for response in sample["resps"]]
            if isinstance(answers[0], str):
                items.append({"text": answers[0]})
            elif isinstance(answers[0], (tuple, list)):
                items.append({"logLikelihoods": [float(answer[0]) for answer in answers],
                              "greedy": [str(answer[1]) == "True" for answer in answers]})
            else:
                items.append({"logLikelihoods": [float(answer) for answer in answers]})
        written["tasks"][name] = {"measures": measures, "items": items}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(written, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_DATASETS_CACHE"] = os.environ["HF_HOME"] = cache
        if sys.argv[1] == "items":
            make_items(*sys.argv[2:4])
        else:
            run(*sys.argv[2:6])
