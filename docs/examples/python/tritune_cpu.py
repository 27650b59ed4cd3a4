"""The native CPU library of tritune on NumPy arrays: the C functions of native/include/tritune.h, by ctypes.

Nothing is copied: a function gets the addresses of the arrays themselves, reads and writes there, and returns the very
array that was given as `out` (or a new one where none was). So an array must already be what C reads: contiguous, of the
right dtype and shape. Another one is an error, never converted behind your back.

    from tritune_cpu import open_library
    tritune = open_library()
    packed = tritune.quantize_4bit(weight)      # weight: float32 (out, in), each dimension as in PyTorch
    y = tritune.linear(x, packed)               # x·wᵀ
    tritune.affine(x, scale=2.0, out=x)         # in place

Not a second implementation of anything, and not a package: one file to read and to copy. Needs NumPy.
"""

import ctypes
import os
import platform
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ABI_VERSION = 3

F32 = 0
KINDS = {"nf4": 0, "fp4": 1, "int8": 2, "ternary": 3}
PRODUCT, BIND, UNBIND = 0, 1, 2
METRICS = {"dot": 0, "hamming": 1}
STATUS = {-1: "failed", -2: "out of memory", -3: "bad argument", -4: "unsupported", -5: "device", -6: "input/output"}

# The arguments of each function, a letter each: p an address, n size_t, i int32, f float.
LETTERS = {"p": ctypes.c_void_p, "n": ctypes.c_size_t, "i": ctypes.c_int32, "f": ctypes.c_float}
SIGNATURES = {
    "tt_init": "iii",
    "tt_affine": "ppnffip",
    "tt_matmul": "pppiiiinnniiffiip",
    "tt_quantize_4bit": "pppniiip",
    "tt_quantize_int8": "pppiiip",
    "tt_quantize_ternary": "pppiiiip",
    "tt_dequantize": "ppiiip",
    "tt_linear_quantized_forward": "ppppppppiiiifffip",
    "tt_vsa_pack": "ppiip",
    "tt_vsa_unpack": "ppiip",
    "tt_vsa_combine": "pppiiiip",
    "tt_vsa_bundle": "pppiiip",
    "tt_vsa_similarity": "pppiiiip",
    "tt_vsa_permute": "ppiiip",
}


class TrituneError(RuntimeError):
    """A function of the library gave a negative status: which, and what tt_last_error says of it."""

    def __init__(self, function, status, message):
        super().__init__(f"{message} ({STATUS.get(status, status)})")
        self.function = function
        self.status = status


@dataclass(frozen=True)
class PackedWeight:
    """A packed (out, in) matrix: the arrays, which stay yours, and how they are to be read (`weight` in tritune.h)."""

    kind: str
    data: np.ndarray
    scale: np.ndarray
    shape: tuple
    block: int = 0

    def descriptor(self):
        """int64[8]: kind, addresses of data and scale, no nested scales, block."""
        return np.array([KINDS[self.kind], self.data.ctypes.data, self.scale.ctypes.data, 0, self.block, 0, 0, 0], np.int64)


def open_library(path=None, threads=0):
    """The library for this machine; `threads`: 0 for all cores. A file of another version or machine is an error."""
    return Library(path or find_library(), threads)


def find_library():
    """TRITUNE_CPU_LIBRARY; in a clone native/prebuilt; else the package @tritune/<platform> in a node_modules further up."""
    named = os.environ.get("TRITUNE_CPU_LIBRARY")
    if named:
        return Path(named)
    system = {"linux": "linux", "darwin": "darwin", "win32": "win32"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    name = {"darwin": "libtritune_cpu.dylib", "win32": "tritune_cpu.dll"}.get(system, "libtritune_cpu.so")
    folders = [
        folder / inside / f"{system}-{machine}"
        for start in (Path(__file__).resolve().parent, Path.cwd())
        for folder in (start, *start.parents)
        for inside in ("native/prebuilt", "node_modules/@tritune")
    ]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no {name} for {system}-{machine} in native/prebuilt or node_modules/@tritune from {Path(__file__).resolve().parent}"
        f" or {Path.cwd()} up; set TRITUNE_CPU_LIBRARY to its path"
    )


def expect(array, name, dtype, shape=None, written=False):
    """The array as it is, or TypeError, ValueError. `None` in a shape fits any size."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(array).__name__}")
    if array.dtype != np.dtype(dtype):
        raise TypeError(f"{name} must be {np.dtype(dtype)}, got {array.dtype}; nothing is converted here")
    if shape is not None and not (
        array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape))
    ):
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous: np.ascontiguousarray copies it")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only, and would be written")
    return array


def result(out, shape, dtype, *inputs, name="out"):
    """`out`, checked and apart from the inputs; a new array where it is None."""
    if out is None:
        return np.empty(shape, dtype)
    expect(out, name, dtype, shape, written=True)
    if any(np.may_share_memory(out, one) for one in inputs):
        raise ValueError(f"{name} shares memory with an input of a function that does not work in place")
    return out


class Library:
    """An open library. Its calls run one at a time, as the library needs it; others wait, without the interpreter's lock."""

    def __init__(self, path, threads=0):
        self.path = Path(path)
        self._c = ctypes.CDLL(str(self.path))
        self._lock = threading.Lock()
        version = self._c.tt_abi_version()
        if version != ABI_VERSION:
            raise OSError(f"{self.path} has ABI version {version}, this module speaks {ABI_VERSION}")
        self._c.tt_last_error.restype = ctypes.c_char_p
        for name, letters in SIGNATURES.items():
            getattr(self._c, name).argtypes = [LETTERS[letter] for letter in letters]
        self.call("tt_init", 0, threads, 0)

    def call(self, function, *arguments):
        """Calls a function of SIGNATURES; an array stands for its address. TrituneError for a negative status."""
        raw = [one.ctypes.data if isinstance(one, np.ndarray) else one for one in arguments]
        with self._lock:
            status = getattr(self._c, function)(*raw)
            message = self._c.tt_last_error() if status < 0 else b""
        if status < 0:
            raise TrituneError(function, status, message.decode())

    # ---- numbers

    def affine(self, x, scale=1.0, shift=0.0, out=None):
        """scale·x + shift; float32 of any shape. `out` may be x."""
        expect(x, "x", np.float32)
        y = x if out is x else result(out, x.shape, np.float32, x)
        expect(y, "out", np.float32, x.shape, written=True)
        self.call("tt_affine", y, x, x.size, scale, shift, F32, None)
        return y

    def matmul(self, a, b, transpose_b=False, out=None):
        """a (m, k) by b (k, n), or (n, k) with transpose_b; float32."""
        m, k = expect(a, "a", np.float32, (None, None)).shape
        n = expect(b, "b", np.float32, (None, k) if transpose_b else (k, None)).shape[0 if transpose_b else 1]
        c = result(out, (m, n), np.float32, a, b)
        self.call("tt_matmul", c, a, b, 1, m, n, k, 0, 0, 0, 0, int(transpose_b), 1.0, 0.0, F32, F32, None)
        return c

    # ---- packed weights

    def quantize_4bit(self, weight, kind="nf4", block=64, data=None, scale=None):
        """float32 (out, in) → the bytes of bitsandbytes' nf4 or fp4; data uint8 (⌈out·in/2⌉), scale float32, one a block."""
        expect(weight, "weight", np.float32, (None, None))
        if kind not in ("nf4", "fp4"):
            raise ValueError(f"kind must be nf4 or fp4, got {kind!r}")
        if block < 1:
            raise ValueError(f"block must be a power of two from 32 to 4096, got {block}")
        data = result(data, ((weight.size + 1) // 2,), np.uint8, weight, name="data")
        scale = result(scale, (-(-weight.size // block),), np.float32, weight, data, name="scale")
        self.call("tt_quantize_4bit", data, scale, weight, weight.size, block, KINDS[kind], F32, None)
        return PackedWeight(kind, data, scale, weight.shape, block)

    def quantize_int8(self, weight, data=None, scale=None):
        """float32 (out, in) → int8 of the same shape, and the absmax of each row."""
        rows, cols = expect(weight, "weight", np.float32, (None, None)).shape
        data = result(data, (rows, cols), np.int8, weight, name="data")
        scale = result(scale, (rows,), np.float32, weight, data, name="scale")
        self.call("tt_quantize_int8", data, scale, weight, rows, cols, F32, None)
        return PackedWeight("int8", data, scale, weight.shape)

    def quantize_ternary(self, weight, block=0, data=None, scale=None):
        """AbsMean: float32 (out, in), out a multiple of 4 → uint8 (out/4, in), and one scale; with `block` one for each so many columns of a row."""
        rows, cols = expect(weight, "weight", np.float32, (None, None)).shape
        if block != 0 and (block < 0 or cols % block != 0):
            raise ValueError(f"block must be 0 or divide {cols}, got {block}")
        data = result(data, (rows // 4, cols), np.uint8, weight, name="data")
        scale = result(scale, (rows * cols // block if block else 1,), np.float32, weight, data, name="scale")
        self.call("tt_quantize_ternary", data, scale, weight, rows, cols, block, F32, None)
        return PackedWeight("ternary", data, scale, weight.shape, block)

    def dequantize(self, packed, out=None):
        """A packed weight as float32 (out, in)."""
        y = result(out, packed.shape, np.float32, packed.data, packed.scale)
        self.call("tt_dequantize", y, packed.descriptor(), *packed.shape, F32, None)
        return y

    def linear(self, x, packed, out=None):
        """x (rows, in) by a packed weight (out, in) → (rows, out); int8 and ternary round the rows of x to int8."""
        width, depth = packed.shape
        rows = expect(x, "x", np.float32, (None, depth)).shape[0]
        y = result(out, (rows, width), np.float32, x, packed.data, packed.scale)
        none = [None] * 4
        sizes = (rows, depth, width, 0)
        self.call("tt_linear_quantized_forward", y, None, x, packed.descriptor(), *none, *sizes, 1.0, 0.0, 0.0, F32, None)
        return y

    # ---- ternary hypervectors: int8 (rows, dims), or uint32 planes (rows, 2, ⌈dims/32⌉)

    def vsa_pack(self, x, out=None):
        """int8 (rows, dims) of −1, 0, 1 → planes."""
        rows, dims = expect(x, "x", np.int8, (None, None)).shape
        y = result(out, (rows, 2, words(dims)), np.uint32, x)
        self.call("tt_vsa_pack", y, x, rows, dims, None)
        return y

    def vsa_unpack(self, x, dims, out=None):
        rows = expect(x, "x", np.uint32, (None, 2, words(dims))).shape[0]
        y = result(out, (rows, dims), np.int8, x)
        self.call("tt_vsa_unpack", y, x, rows, dims, None)
        return y

    def vsa_product(self, a, b, dims, out=None):
        """a·b in each dimension; b has as many rows as a, or one for all. `out` may be a, here and in the next two."""
        return self._combine(PRODUCT, a, b, dims, out)

    def vsa_bind(self, a, key, dims, out=None):
        """(a − key) modulo 3, in −1 … 1."""
        return self._combine(BIND, a, key, dims, out)

    def vsa_unbind(self, bound, key, dims, out=None):
        """(bound + key) modulo 3, in −1 … 1: undoes vsa_bind."""
        return self._combine(UNBIND, bound, key, dims, out)

    def _combine(self, how, a, b, dims, out):
        rows = expect(a, "a", np.uint32, (None, 2, words(dims))).shape[0]
        b_rows = expect(b, "b", np.uint32, (None, 2, words(dims))).shape[0]
        if b_rows not in (1, rows):
            raise ValueError(f"b must have 1 row or {rows}, got {b_rows}")
        y = expect(a, "out", np.uint32, written=True) if out is a else result(out, a.shape, np.uint32, a, b)
        if out is a and np.may_share_memory(a, b):
            raise ValueError("out shares memory with b")
        self.call("tt_vsa_combine", y, a, b, rows, b_rows, dims, how, None)
        return y

    def vsa_bundle(self, x, dims, weights=None, out=None):
        """The sign of the sum of all rows → one row; ties give 0. `weights` float32 (rows): what each row is multiplied by."""
        rows = expect(x, "x", np.uint32, (None, 2, words(dims))).shape[0]
        if weights is not None:
            expect(weights, "weights", np.float32, (rows,))
        y = result(out, (1, 2, words(dims)), np.uint32, x, *([] if weights is None else [weights]))
        self.call("tt_vsa_bundle", y, x, weights, 1, rows, dims, None)
        return y

    def vsa_similarity(self, a, b, dims, metric="dot", out=None):
        """int32 (rows of a, rows of b) of all pairs: dot products, or with `hamming` the number of dimensions that differ."""
        if metric not in METRICS:
            raise ValueError(f"metric must be dot or hamming, got {metric!r}")
        rows = expect(a, "a", np.uint32, (None, 2, words(dims))).shape[0]
        b_rows = expect(b, "b", np.uint32, (None, 2, words(dims))).shape[0]
        y = result(out, (rows, b_rows), np.int32, a, b)
        self.call("tt_vsa_similarity", y, a, b, rows, b_rows, dims, METRICS[metric], None)
        return y

    def vsa_permute(self, x, dims, shift=1, out=None):
        """Dimension i moves to (i + shift) mod dims."""
        rows = expect(x, "x", np.uint32, (None, 2, words(dims))).shape[0]
        y = result(out, x.shape, np.uint32, x)
        self.call("tt_vsa_permute", y, x, rows, dims, shift, None)
        return y


def words(dims):
    """Words of 32 bits in a plane of so many dimensions."""
    if dims < 1:
        raise ValueError(f"dims must be a whole number from 1, got {dims}")
    return -(-dims // 32)
