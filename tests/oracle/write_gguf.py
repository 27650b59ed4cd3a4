"""Writes tests/golden/gguf/*: small GGUF files made with llama.cpp's Python package, and what they must read as.

Run: python tests/oracle/write_gguf.py
types.gguf + types.json        one tensor of each type, and its values as the gguf package decodes them
MODEL.gguf + MODEL.json        models of one layer; names, shapes and hashes as transformers loads them
tokenizer-*.gguf + .json       vocabularies, texts and the ids of the reference tokenizer
(Not named gguf.py: that would hide the package from the scripts beside it.)
"""

import base64
import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as T
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).parent.parent / "golden" / "gguf"
OUT.mkdir(parents=True, exist_ok=True)


def save(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add(writer, name, array, dtype):
    data = np.ascontiguousarray(array, dtype=np.float32)
    writer.add_tensor(name, gguf.quants.quantize(data, dtype), raw_dtype=dtype)
    return gguf.quants.dequantize(gguf.quants.quantize(data, dtype), dtype).astype(np.float32).reshape(data.shape)


def write_types():
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(OUT / "types.gguf", "none")
    writer.add_uint8("test.u8", 255)
    writer.add_int8("test.i8", -128)
    writer.add_uint16("test.u16", 65535)
    writer.add_int16("test.i16", -32768)
    writer.add_uint32("test.u32", 4294967295)
    writer.add_int32("test.i32", -2147483648)
    writer.add_float32("test.f32", 0.1)
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int64("test.i64", -5)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "grüße 😀")
    writer.add_array("test.strings", ["a", "", "日本"])
    writer.add_array("test.numbers", [1, 2, -3])
    writer.add_array("test.floats", [0.5, 1.5])
    writer.add_array("test.bools", [True, False])
    values = {}
    for dtype in (T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1):
        array = rng.standard_normal((3, 64)).astype(np.float32) * 3
        array[1, :32] = 0
        decoded = add(writer, f"t.{dtype.name.lower()}", array, dtype)
        values[f"t.{dtype.name.lower()}"] = base64.b64encode(decoded.tobytes()).decode()
    add(writer, "t.q5_0", rng.standard_normal((1, 32)), T.Q5_0)
    add(writer, "t.vector", np.arange(5), T.F32)
    save(writer)
    (OUT / "types.json").write_text(json.dumps(values, indent=1) + "\n")


NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, layer, inner = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[inner]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def permute(weight, heads):  # convert_hf_to_gguf.py, LlamaModel.permute
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def write_model(arch, config, extra=None, dtype=T.F16):
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    for parameter in model.parameters():  # biases and norms too
        torch.nn.init.normal_(parameter, std=0.5)
    path = OUT / f"{arch}.gguf"
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if extra:
        extra(writer)
    expected = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = tensor.numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        kind = dtype if array.ndim == 2 else T.F32
        stored = permute(array, heads) if heads and arch == "llama" else array
        decoded = add(writer, gguf_name(name), stored, kind)
        if heads and arch == "llama":  # back
            rows = decoded.shape[0] // heads // 2
            decoded = decoded.reshape(heads, rows, 2, *decoded.shape[1:]).swapaxes(1, 2).reshape(decoded.shape)
        expected[name] = {"shape": list(array.shape), "sha256": hashlib.sha256(decoded.tobytes()).hexdigest()}
    save(writer)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(OUT, gguf_file=path.name, dtype=torch.float32, config=config)
    state = loaded.state_dict()
    for name, tensor in expected.items():
        assert hashlib.sha256(state[name].numpy().tobytes()).hexdigest() == tensor["sha256"], name
    (OUT / f"{arch}.json").write_text(json.dumps(expected, indent=1) + "\n")


def write_models():
    shared = dict(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=50000.0,
    )  # fmt: skip

    def llama_extra(writer):
        writer.add_rope_dimension_count(8)
        writer.add_tensor("rope_freqs.weight", np.array([1, 2, 4, 8], dtype=np.float32))

    def qwen2_extra(writer):
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(32)

    llama = transformers.LlamaConfig(**shared, tie_word_embeddings=True)
    write_model("llama", llama, llama_extra, dtype=T.Q8_0)
    write_model("qwen2", transformers.Qwen2Config(**shared, tie_word_embeddings=False), qwen2_extra)
    qwen3 = transformers.Qwen3Config(**shared, head_dim=16, tie_word_embeddings=True)
    write_model("qwen3", qwen3, lambda writer: (writer.add_key_length(16), writer.add_value_length(16)))


TEXTS = [
    "", " ", "  \n \n", "Hello world", "  two  spaces 12345 and 1,000.50", "I'm you've DON'T it's", "a\r\n\r\nb\tc ",
    "def f(x):\n    return x + 1\n", "naïve Größe e\u0301", "日本語 中文 한국어", "😀 👩‍👩‍👧 🇩🇪", "½ ² ③ ١٢٣", "\ufeffa\u0085b\u00a0c",
    "<|start|>user<|end|> x", "<think>no</think>", "URLs: https://a.b/c?d=e#f", "'s 'S \"quoted\" (a)[b]{c}|~^", "aaaaaaaaaaaa",
    "the " * 5, "\x00\x7f", "ᾼ ǅ İ ﬁ", "x²+y²", "\u3000全角 \u2028", "   12", "CamelCase snake_case",
]  # fmt: skip
CORPUS = TEXTS + [
    "the quick brown fox jumps over the lazy dog", "return the value of the function", "hello there world of tokens",
    "in the beginning of the end, it's what you're doing", "for i in range(10): print(i)", "2023 2024 1999 100 200",
] * 4  # fmt: skip

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")


def byte_level(pre):
    """The tokenizer.json of each family, by its own parts."""
    byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = {
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "llama-bpe": [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte],
        "qwen2": [pre_tokenizers.Split(Regex(QWEN2), "isolated"), byte],
    }[pre]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    tokenizer.normalizer = normalizers.NFC() if pre == "qwen2" else None
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|start|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(["<think>"])
    if pre == "llama-bpe":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|start|> $A", pair="<|start|> $A <|start|> $B", special_tokens=[("<|start|>", 0)]
        )
    return tokenizer


def write_byte_level(pre):
    tokenizer = byte_level(pre)
    state = json.loads(tokenizer.to_str())
    vocab = tokenizer.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    writer = gguf.GGUFWriter(OUT / f"tokenizer-{pre}.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if t in ("<|start|>", "<|end|>") else 4 if t == "<think>" else 1 for t in tokens])
    writer.add_token_merges([" ".join(m) for m in state["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_eot_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}")
    save(writer)
    cases = [{"text": t, "ids": tokenizer.encode(t).ids} for t in TEXTS]
    (OUT / f"tokenizer-{pre}.json").write_text(json.dumps(cases) + "\n")


def write_sentencepiece():
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=special, show_progress=False, limit_alphabet=60)
    trained.train_from_iterator(CORPUS, trainer)
    vocab = trained.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    writer = gguf.GGUFWriter(OUT / "tokenizer-sentencepiece.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0 if i < 259 else float(259 - i) for i in range(len(tokens))])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_block_count(1)
    save(writer)
    reference = transformers.AutoTokenizer.from_pretrained(OUT, gguf_file="tokenizer-sentencepiece.gguf")
    texts = TEXTS + ["<s>hello", "hello</s> there", "  <unk> x"]
    cases = [{"text": t, "ids": reference.encode(t), "decoded": reference.decode(reference.encode(t), skip_special_tokens=True)} for t in texts]
    (OUT / "tokenizer-sentencepiece.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    write_types()
    write_models()
    for name in ("gpt-2", "smollm", "llama-bpe", "qwen2"):
        write_byte_level(name)
    write_sentencepiece()
