"""What huggingface_hub makes of its environment variables -> tests/golden/hub/environment.json.

Each case is run in a process of its own, because the library reads them when it is imported. HOME is /home/person, or a
folder made for the case where a file is needed; it is written as <HOME> in the golden file.

    python tests/oracle/hub.py tests/golden/hub/environment.json
"""

import json
import os
import subprocess
import sys
import tempfile

ENVIRONMENTS = [
    {},
    {"XDG_CACHE_HOME": "/x"},
    {"HF_HOME": "/h"},
    {"HF_HOME": "~/models", "XDG_CACHE_HOME": "/x"},
    {"HF_HOME": "$BASE/hf", "BASE": "/data"},
    {"HF_HOME": "${BASE}/hf", "BASE": "/data"},
    {"HF_HOME": "/h/$UNSET_NAME"},
    {"HF_HUB_CACHE": "/c"},
    {"HF_HUB_CACHE": "~/c", "HF_HOME": "/h"},
    {"HUGGINGFACE_HUB_CACHE": "/old"},
    {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new"},
    {"HF_ENDPOINT": "https://mirror.example/"},
    {"HF_HUB_OFFLINE": "1"},
    {"HF_HUB_OFFLINE": "yes"},
    {"HF_HUB_OFFLINE": "On"},
    {"HF_HUB_OFFLINE": "true"},
    {"HF_HUB_OFFLINE": "0"},
    {"HF_HUB_OFFLINE": "2"},
    {"HF_HUB_OFFLINE": ""},
    {"TRANSFORMERS_OFFLINE": "1"},
    {"TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": "0"},
    {"TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": ""},
    {"HF_TOKEN": "hf_env"},
    {"HF_TOKEN": " hf_env\n"},
    {"HUGGING_FACE_HUB_TOKEN": "hf_old"},
    {"HUGGING_FACE_HUB_TOKEN": "hf_old", "HF_TOKEN": "hf_new"},
    {"HUGGING_FACE_HUB_TOKEN": "hf_old", "HF_TOKEN": ""},
    {"FILE token": "hf_file\n"},
    {"FILE token": "hf_file\n", "HF_TOKEN": "hf_env"},
    {"FILE token": "hf_file\n", "HF_TOKEN": ""},
    {"FILE token": "  \n"},
    {"FILE other": "hf_other", "HF_TOKEN_PATH": "<HOME>/.cache/huggingface/other"},
    {"FILE other": "hf_other", "HF_TOKEN_PATH": "~/.cache/huggingface/other"},
    {"HF_TOKEN_PATH": "/nowhere"},
    {"HF_TOKEN": "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
    {"HF_TOKEN": "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"},
    {"HF_HUB_DISABLE_SYMLINKS": "1"},
]

CHILD = """
import json
from huggingface_hub import constants
from huggingface_hub.utils import build_hf_headers
authorization = build_hf_headers().get("authorization")
print(json.dumps({
    "cacheDir": constants.HF_HUB_CACHE,
    "endpoint": constants.ENDPOINT,
    "offline": constants.HF_HUB_OFFLINE,
    "token": None if authorization is None else authorization.removeprefix("Bearer "),
    "symlinks": not constants.HF_HUB_DISABLE_SYMLINKS,
}))
"""


def run(case):
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": os.environ["PATH"]}
        for name, value in case.items():
            if name.startswith("FILE "):
                path = os.path.join(home, ".cache/huggingface", name.removeprefix("FILE "))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(value)
            else:
                env[name] = value.replace("<HOME>", home)
        result = subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, check=True)
        return json.loads(result.stdout.replace(home, "<HOME>"))


if __name__ == "__main__":
    import huggingface_hub

    cases = [{"env": case, "expected": run(case)} for case in ENVIRONMENTS]
    with open(sys.argv[1], "w") as file:
        json.dump({"huggingface_hub": huggingface_hub.__version__, "cases": cases}, file, indent=1)
        file.write("\n")
