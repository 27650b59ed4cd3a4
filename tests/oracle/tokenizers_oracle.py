"""Tokenizers of seven families with random added tokens, and what the Rust library makes of random texts.

    python tests/oracle/tokenizers_oracle.py train <folder> <corpus.txt> [--vocabulary 1500] [--variants 4] [--seed 1]
    python tests/oracle/tokenizers_oracle.py cases <folder> [--texts 2000] [--seed 1]
    python tests/oracle/tokenizers_oracle.py golden tests/golden/tokenizer/families <corpus.txt>

`train` writes <family>/<name>.json, each a tokenizer.json; `cases` writes, beside every such file, <name>.cases with
one JSON line per text: {"text", "ids", "bare", "decoded", "visible"}, where `visible` leaves special tokens out.
`golden` writes small ones for the tests: <family>.json with a list of {"tokenizer", "cases"}.
Needs tokenizers; with sentencepiece and protobuf the Unigram family has SentencePiece's own normalisation rules.
"""

import argparse
import itertools
import json
import random
import tempfile
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
])  # fmt: skip


def around(tokenizer, before, after):
    """A template with these tokens around a text."""
    pieces = [*before, "$A", *after]
    special = [(t, tokenizer.token_to_id(t)) for t in dict.fromkeys([*before, *after])]
    pair = [*before, "$A", *after, "$B:1", *(f"{t}:1" for t in after)]
    return processors.TemplateProcessing(single=" ".join(pieces), pair=" ".join(pair), special_tokens=special)


def bpe(corpus, size, special, pre=None, normalizer=None, alphabet=True, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [],
        **{key: value for key, value in model.items() if key in ("continuing_subword_prefix", "end_of_word_suffix")},
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def with_bytes(tokenizer, change=lambda model: None):
    """The same with tokens for all bytes, which a trainer does not know."""
    state = json.loads(tokenizer.to_str())
    vocab = state["model"]["vocab"]
    for byte in range(256):
        token = f"<0x{byte:02X}>"
        if isinstance(vocab, list):
            vocab.append([token, -20.0])
        else:
            vocab.setdefault(token, max(vocab.values()) + 1)
    state["model"]["byte_fallback"] = True
    change(state["model"])
    return Tokenizer.from_str(json.dumps(state))


def byte_level(corpus, size, variant):
    level = pre_tokenizers.ByteLevel(add_prefix_space=variant % 4 == 1, use_regex=True)
    if variant % 2 == 0:
        split = pre_tokenizers.Split(Regex(GPT4 if variant % 4 == 0 else O200K), "isolated")
        level = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer = bpe(corpus, size, ["<|begin|>", "<|end|>"], level, ignore_merges=variant % 2 == 0)
    tokenizer.decoder = decoders.ByteLevel()
    template = around(tokenizer, ["<|begin|>"], ["<|end|>"] if variant == 3 else [])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def qwen(corpus, size, variant):
    split = pre_tokenizers.Split(Regex(QWEN), "isolated", invert=False)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    forms = [normalizers.NFC(), normalizers.NFC(), normalizers.NFKC(), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])]
    tokenizer = bpe(corpus, size, ["<|endoftext|>"], pre_tokenizers.Sequence([split, level]), forms[variant % 4])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def sentencepiece_bpe(corpus, size, variant):
    space = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer = bpe(corpus, size, ["<unk>", "<s>", "</s>"], space, alphabet=False, unk_token="<unk>", fuse_unk=True)
    tokenizer = with_bytes(tokenizer)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if variant % 2 == 0:
        # Llama 2: the whole text is one piece
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.pre_tokenizer = None
        steps.append(decoders.Strip(" ", 1, 0))
    elif variant % 4 == 1:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        steps.append(decoders.Strip(" ", 1, 0))
    else:
        # Gemma: no space in front
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = around(tokenizer, ["<s>"], [])
    return tokenizer


def charsmap(folder, variant, size):
    """SentencePiece's compiled rules, or None without the package. Odd variants: rules of a small table."""
    if size < SMALL and variant % 2 == 0:
        return None
    try:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2 as proto
    except ImportError:
        return None
    text, rules = folder / "charsmap.txt", folder / "charsmap.tsv"
    text.write_text("call me ishmael\n" * 20)
    # code points in hex: what is replaced, a tab, by what
    rules.write_text("41\t61\n41 30A\tE5\n1F600\t3A 29\nFB01\t66 69\n200B\t\n3000\t20\nE9\t65\nD\t20\nA\t20\n9\t20\n" if variant % 2 else "")
    options = {"normalization_rule_tsv": str(rules)} if variant % 2 else {"normalization_rule_name": "nmt_nfkc"}
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "charsmap"), vocab_size=20, hard_vocab_limit=False, minloglevel=2, **options
    )
    model = proto.ModelProto()
    model.ParseFromString((folder / "charsmap.model").read_bytes())
    return model.normalizer_spec.precompiled_charsmap


def unigram(corpus, size, variant, folder):
    rules = charsmap(folder, variant, size)
    first = normalizers.Precompiled(rules) if rules else normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    steps = [first, normalizers.Replace(Regex(" {2,}"), " ")]
    if variant % 4 >= 2:
        steps.insert(1, normalizers.Strip(left=variant == 3, right=True))
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=["always", "first", "never", "first"][variant % 4])
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    if variant % 2 == 1:
        tokenizer = with_bytes(tokenizer)
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    else:
        tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around(tokenizer, [], ["</s>"])
    return tokenizer


def word_piece(corpus, size, variant):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=[100, 100, 12, 100][variant % 4]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=variant != 2, handle_chinese_chars=variant != 3, strip_accents=[None, None, True, False][variant % 4], lowercase=variant % 2 == 0
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.decoder = decoders.WordPiece(cleanup=variant % 2 == 0)
    cls, sep = (("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]")))
    choices = [around(tokenizer, ["[CLS]"], ["[SEP]"]), processors.BertProcessing(sep, cls), processors.RobertaProcessing(sep, cls)]
    tokenizer.post_processor = choices[variant % 3]
    return tokenizer


def word_level(corpus, size, variant):
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    lower = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()])
    tokenizer.normalizer = [None, normalizers.Lowercase(), lower, normalizers.Strip()][variant % 4]
    tokenizer.pre_tokenizer = [
        pre_tokenizers.Whitespace(),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")]),
        pre_tokenizers.Sequence([pre_tokenizers.Punctuation("merged_with_next"), pre_tokenizers.Digits(False), pre_tokenizers.CharDelimiterSplit(" ")]),
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\b\w|\W"), "merged_with_previous", invert=True), pre_tokenizers.FixedLength(4)]),
    ][variant % 4]  # fmt: skip
    trainer = trainers.WordLevelTrainer(vocab_size=size, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def digits(corpus, size, variant):
    if variant % 4 < 2:
        # SmolLM 2
        pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=variant % 4 == 0), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tokenizer = bpe(corpus, size, ["<|endoftext|>"], pre)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer
    pre = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(True)])
    affix = {"end_of_word_suffix": "</w>"} if variant % 4 == 2 else {"continuing_subword_prefix": "@@"}
    tokenizer = bpe(corpus, size, ["<unk>"], pre, normalizers.Lowercase(), alphabet=False, unk_token="<unk>", fuse_unk=variant % 4 == 3, **affix)
    if variant % 4 == 2:
        tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    return tokenizer


FAMILIES = {
    "byte-level BPE (GPT-2, Llama 3)": ("byte-level", byte_level),
    "byte-level BPE, NFC (Qwen)": ("qwen", qwen),
    "SentencePiece BPE (Llama 2, Mistral)": ("sentencepiece-bpe", sentencepiece_bpe),
    "Unigram (T5)": ("unigram", unigram),
    "WordPiece (BERT)": ("word-piece", word_piece),
    "WordLevel": ("word-level", word_level),
    "digits split (SmolLM2), affixes": ("digits", digits),
}

# Below it files are for tests, and leave SentencePiece's large table of rules out.
SMALL = 500
OPTIONS = list(itertools.product([False, True], repeat=5))
CONTENTS = ["word", "<x>", "Whale", "é", "e\u0301", "[A B]", "##", "n't", "▁", "sea ", " the", "A", "\t", "汉字", "٣", "_", "ﬁ", "ſ", "İ", "ΑΣ", "🦀", "...", "<0x41>", "\n\n", "x1", "Ġ", "co-op", "Å", "\u00a0", "12", "<|im_end|>", "-"]  # fmt: skip


def add_tokens(tokenizer, random_):
    """One token for each combination of the five options; none is the same as another when normalised."""
    contents = random_.sample(CONTENTS, len(CONTENTS))
    normalizer = tokenizer.normalizer
    spellings = set()
    for options, content in zip(OPTIONS, contents):
        single_word, lstrip, rstrip, normalized, special = options
        spelling = normalizer.normalize_str(content) if normalized and normalizer is not None else content
        if spelling == "" or (normalized, spelling) in spellings:
            continue
        spellings.add((normalized, spelling))
        token = AddedToken(content, single_word=single_word, lstrip=lstrip, rstrip=rstrip, normalized=normalized, special=special)
        tokenizer.add_tokens([token])
    return tokenizer


def train(folder, corpus, size, variants, seed):
    for directory, build in FAMILIES.values():
        place = folder / directory
        place.mkdir(parents=True, exist_ok=True)
        for variant in range(variants):
            extra = (place,) if build is unigram else ()
            tokenizer = build(corpus, size, variant, *extra)
            tokenizer = add_tokens(tokenizer, random.Random(f"{seed} {directory} {variant}"))
            (place / f"{variant}.json").write_text(tokenizer.to_str())
    (folder / "families.json").write_text(json.dumps({name: directory for name, (directory, _) in FAMILIES.items()}))


SCRIPTS = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFD), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0x10000, 0x3FFFF), (0xE0000, 0xE0FFF)]  # fmt: skip
ODD = [" ", " ", "  ", "   ", "\n", "\r\n", "\t", "\u00a0", "\u0085", "\u3000", "\u200b", "\u200d", "\ufeff", "\ufffd", "\0", "\x01", "\x7f", "\u2028", "\u2581", "\u0301", "\u0345", "'s", "'LL", "'ſ", "I'M", "1234567", "²³¼", "٣٤", "Ⅷ", "ǅ", "ΣΑΣ", "İ", "ß", "👩‍👩‍👧", "🇩🇪", "각", "\u1112\u1161\u11ab", "<0x0A>", "<0xE4>", "</s>", "<s>", "<unk>", "[UNK]", "[CLS]", "<|end|>", "_", "-", "don't do not", " . ", " ' ", "a" * 120]  # fmt: skip


def random_text(random_, words, contents):
    parts = []
    for _ in range(random_.randint(0, 14)):
        kind = random_.random()
        if kind < 0.3:
            parts.append(random_.choice(words))
            parts.append(random_.choice([" ", " ", "", "  "]))
        elif kind < 0.55:
            parts.append(random_.choice(contents))
            parts.append(random_.choice([" ", "", "", "\n", "s"]))
        elif kind < 0.75:
            parts.append(random_.choice(ODD))
        else:
            low, high = random_.choice(SCRIPTS)
            parts.append("".join(chr(random_.randint(low, high)) for _ in range(random_.randint(1, 6))))
    text = "".join(parts)
    if random_.random() < 0.1:
        text = unicodedata.normalize(random_.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)
    return text


def random_ids(random_, size):
    """Any tokens in any order, as a model may write them."""
    return [random_.randrange(size + 3) for _ in range(random_.randint(1, 12))]


def cases(folder, count, seed):
    for path in sorted(folder.glob("**/*.json")):
        state = json.loads(path.read_text())
        if "model" not in state:
            continue
        tokenizer = Tokenizer.from_str(path.read_text())
        contents = [token["content"] for token in state["added_tokens"]] or ["x"]
        vocab = state["model"]["vocab"]
        words = [w for w, _ in vocab] if isinstance(vocab, list) else list(vocab)
        words = [w.replace("Ġ", " ").replace("▁", " ") for w in random.Random(seed).sample(words, min(len(words), 400))]
        words += ["sword", "words", "Call", "me", "Ishmael", "whales"]
        random_ = random.Random(f"{seed} {path.parent.name} {path.name}")
        size = tokenizer.get_vocab_size()
        with path.with_suffix(".cases").open("w") as file:
            for _ in range(count):
                text = random_text(random_, words, contents)
                try:
                    ids = tokenizer.encode(text).ids
                except BaseException as error:  # a panic of the library is no Exception: overlapping tokens with lstrip
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    continue
                drawn = random_ids(random_, size)
                record = {
                    "text": text,
                    "ids": ids,
                    "bare": tokenizer.encode(text, add_special_tokens=False).ids,
                    "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                    "visible": tokenizer.decode(ids, skip_special_tokens=True),
                    "drawn": drawn,
                    "drawnText": tokenizer.decode(drawn, skip_special_tokens=False),
                }
                file.write(json.dumps(record) + "\n")


def golden(folder, corpus, seed):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        train(place, corpus, 380, 4, seed)
        cases(place, 30, seed)
        for directory, _ in FAMILIES.values():
            records = []
            for path in sorted((place / directory).glob("*.cases")):
                lines = [json.loads(line) for line in path.read_text().splitlines()]
                records.append({"tokenizer": json.loads(path.with_suffix(".json").read_text()), "cases": lines})
            (folder / f"{directory}.json").write_text(json.dumps(records, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "cases", "golden"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--vocabulary", type=int, default=1500)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    corpus = options.corpus.read_text().splitlines() if options.corpus else []
    if options.command == "golden":
        golden(options.folder, corpus, options.seed)
    elif options.command == "train":
        train(options.folder, corpus, options.vocabulary, options.variants, options.seed)
    else:
        cases(options.folder, options.texts, options.seed)


if __name__ == "__main__":
    main()
