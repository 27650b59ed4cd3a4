"""Loads what a run with new tokens wrote, in PEFT and in transformers: `bun run oracle vocabulary`.

    python tests/oracle/new_tokens.py <cases.json>

cases.json: [{"adapter", "merged", "text"}]. Prints one JSON line for each: {"ids" of the text by the tokenizer of the adapter, "same": whether that of
the merged model gives them too, "logits" of the last token of the merged model, "adapter" and "merge": how far AutoPeftModel, and what it merges, are
from those, "tied": whether it says that embedding and head are one}.
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max()) if a.shape == b.shape else float("inf")


with torch.no_grad():
    for case in json.loads(open(sys.argv[1]).read()):
        tokenizers = [AutoTokenizer.from_pretrained(case[key]) for key in ("adapter", "merged")]
        ids, others = (t(case["text"], add_special_tokens=False)["input_ids"] for t in tokenizers)
        x = torch.tensor([ids])
        model = AutoPeftModelForCausalLM.from_pretrained(case["adapter"], dtype=torch.float32).eval()
        merged = AutoModelForCausalLM.from_pretrained(case["merged"], dtype=torch.float32).eval()
        expected = merged(input_ids=x).logits
        adapted = far(model(input_ids=x).logits, expected)
        after = far(model.merge_and_unload()(input_ids=x).logits, expected)
        print(
            json.dumps(
                {
                    "ids": ids,
                    "same": ids == others,
                    "logits": expected[0, -1].tolist(),
                    "adapter": adapted,
                    "merge": after,
                    "tied": merged.config.tie_word_embeddings,
                }
            ),
            flush=True,
        )
