"""What llama.cpp's own quantizer makes of numbers and of models, for tests/golden/gguf.

    pip install llama-cpp-python gguf
    python tests/oracle/gguf_quants.py

quants.gguf    x: rows of f32; q.<type>: what ggml_quantize_chunk makes of them
quants.json    for each type the SHA-256 of what ggml decodes them to
mixtures.json  for small models the type that llama_model_quantize gives each tensor, by file type
"""

import ctypes
import hashlib
import json
import os
import pathlib
import tempfile

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as T

OUT = pathlib.Path(__file__).parent.parent / "golden" / "gguf"
LIBRARY = ctypes.CDLL(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so"))
LIBRARY.ggml_quantize_chunk.restype = ctypes.c_size_t
LIBRARY.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

DECODERS = {
    T.Q8_0: "q8_0", T.Q4_0: "q4_0", T.Q4_1: "q4_1", T.Q5_0: "q5_0", T.Q5_1: "q5_1",
    T.Q4_K: "q4_K", T.Q5_K: "q5_K", T.Q6_K: "q6_K", T.TQ1_0: "tq1_0", T.TQ2_0: "tq2_0",
}  # fmt: skip
FILE_TYPES = {
    "f16": 1, "bf16": 32, "q8_0": 7, "q6_k": 18, "q5_k_m": 17, "q5_k_s": 16, "q5_1": 9, "q5_0": 8,
    "q4_k_m": 15, "q4_k_s": 14, "q4_1": 3, "q4_0": 2, "tq2_0": 37, "tq1_0": 36,
}  # fmt: skip


def save(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rows():
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((20, 256)) * rng.uniform(0.001, 3, (20, 1))).astype(np.float32)
    x[0] = 0
    x[1] = 1
    x[2] = -2
    x[3, :32] = 0
    x[4] = np.abs(x[4])
    x[5] = -np.abs(x[5])
    x[6] = np.round(x[6])
    x[7] *= 1e-8
    x[8] *= 1e3
    x[9] = rng.integers(-1, 2, 256) * np.float32(0.037)
    x[10, 5] *= 50
    return x


def write_quants():
    x = rows()
    writer = gguf.GGUFWriter(OUT / "quants.gguf", "none")
    writer.add_tensor("x", x)
    decoded = {}
    for kind, name in DECODERS.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        out = np.zeros((x.shape[0], 256 // block * size), np.uint8)
        assert LIBRARY.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, x.shape[0], 256, None) == out.size
        writer.add_tensor(f"q.{kind.name}", out, raw_dtype=kind)
        back = np.zeros(x.size, np.float32)
        decode = getattr(LIBRARY, f"dequantize_row_{name}")
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode(out.ctypes.data, back.ctypes.data, x.size)
        decoded[kind.name] = hashlib.sha256((back + 0.0).tobytes()).hexdigest()  # -0 and 0 are one
    save(writer)
    (OUT / "quants.json").write_text(json.dumps(decoded, indent=1) + "\n")


def decoder(path, hidden, layers, kv_heads, tied):
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    inner = 2 * hidden
    writer.add_block_count(layers)
    writer.add_context_length(32)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(4)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(64)
    writer.add_tokenizer_model("none")

    def add(name, *shape):
        writer.add_tensor(name, rng.standard_normal(shape).astype(np.float32))

    add("token_embd.weight", 64, hidden)
    add("output_norm.weight", hidden)
    if not tied:
        add("output.weight", 64, hidden)
    kv = hidden * kv_heads // 4
    for i in range(layers):
        for name, shape in {
            "attn_norm": (hidden,), "attn_q": (hidden, hidden), "attn_k": (kv, hidden), "attn_v": (kv, hidden),
            "attn_output": (hidden, hidden), "ffn_norm": (hidden,), "ffn_gate": (inner, hidden),
            "ffn_up": (inner, hidden), "ffn_down": (hidden, inner),
        }.items():  # fmt: skip
            add(f"blk.{i}.{name}.weight", *shape)
    save(writer)


def gpt2(path, hidden, layers):
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(layers)
    writer.add_context_length(32)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(4 * hidden)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(64)
    writer.add_tokenizer_model("none")
    shapes = {"token_embd.weight": (64, hidden), "position_embd.weight": (32, hidden), "output_norm.weight": (hidden,), "output_norm.bias": (hidden,)}
    for i in range(layers):
        for name, shape in {"attn_qkv": (3 * hidden, hidden), "attn_output": (hidden, hidden), "ffn_up": (4 * hidden, hidden), "ffn_down": (hidden, 4 * hidden)}.items():
            shapes[f"blk.{i}.{name}.weight"] = shape
            shapes[f"blk.{i}.{name}.bias"] = shape[:1]
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{i}.{name}.weight"] = (hidden,)
            shapes[f"blk.{i}.{name}.bias"] = (hidden,)
    for name, shape in shapes.items():
        writer.add_tensor(name, rng.standard_normal(shape).astype(np.float32))
    save(writer)


MODELS = {
    "llama, 9 layers": lambda path: decoder(path, 256, 9, 2, tied=False),
    "llama, tied": lambda path: decoder(path, 256, 3, 4, tied=True),
    "llama, rows of 96": lambda path: decoder(path, 96, 3, 2, tied=True),
    "llama, rows of 96, own head": lambda path: decoder(path, 96, 2, 2, tied=False),
    "llama, rows of 80": lambda path: decoder(path, 80, 2, 4, tied=False),
    "gpt2": lambda path: gpt2(path, 256, 9),
}


def write_mixtures():
    api = llama_cpp.llama_cpp
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.gguf", f"{folder}/out.gguf"
        for model, make in MODELS.items():
            make(source)
            shapes = {t.name: [int(n) for n in reversed(t.shape)] for t in gguf.GGUFReader(source).tensors}
            # Names once, and the types of a file type in their order.
            found[model] = {"tensors": shapes, "types": {}}
            for name, number in FILE_TYPES.items():
                options = api.llama_model_quantize_default_params()
                options.ftype = number
                options.nthread = 1
                code = api.llama_model_quantize(source.encode(), target.encode(), options)
                if code != 0:
                    print(model, name, "refused")
                    continue
                types = {t.name: t.tensor_type.name for t in gguf.GGUFReader(target).tensors}
                found[model]["types"][name] = " ".join(types[tensor] for tensor in shapes)
    (OUT / "mixtures.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    write_quants()
    write_mixtures()
