"""docs/examples/python/tritune_cpu.py against NumPy: numbers, addresses, what is refused. Started by python-example.test.ts."""

import ctypes
import os
import sys
import tempfile
import tracemalloc
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs/examples/python"))

import tritune_cpu
from tritune_cpu import PackedWeight, TrituneError, open_library

tritune = open_library()


def normal(*shape):
    return np.random.default_rng(7).standard_normal(shape, dtype=np.float32)


def trits(*shape):
    return np.random.default_rng(8).integers(-1, 2, shape, dtype=np.int8)


class Recorded:
    """A ctypes library that notes the raw arguments of each call."""

    def __init__(self, library):
        self.library = library
        self.calls = []

    def __getattr__(self, name):
        function = getattr(self.library, name)

        def noted(*raw):
            self.calls.append((name, raw))
            return function(*raw)

        return noted


class WithoutACopy(unittest.TestCase):
    def setUp(self):
        recorded = Recorded(tritune._c)
        self.calls = recorded.calls
        patched = mock.patch.object(tritune, "_c", recorded)
        patched.start()
        self.addCleanup(patched.stop)

    def addresses(self, function):
        [raw] = [raw for name, raw in self.calls if name == function]
        return raw

    def test_c_gets_the_addresses_of_the_arrays_and_out_is_what_comes_back(self):
        x, out = normal(5, 64), np.empty((5, 64), np.float32)
        self.assertIs(tritune.affine(x, 2.0, out=out), out)
        self.assertEqual(self.addresses("tt_affine")[:2], (out.ctypes.data, x.ctypes.data))

        w, product = normal(8, 64), np.empty((5, 8), np.float32)
        self.assertIs(tritune.matmul(x, w, transpose_b=True, out=product), product)
        self.assertEqual(
            self.addresses("tt_matmul")[:3], (product.ctypes.data, x.ctypes.data, w.ctypes.data)
        )

        data, scale = np.empty(256, np.uint8), np.empty(8, np.float32)
        packed = tritune.quantize_4bit(w, data=data, scale=scale)
        self.assertIs(packed.data, data)
        self.assertIs(packed.scale, scale)
        self.assertEqual(
            self.addresses("tt_quantize_4bit")[:3], (data.ctypes.data, scale.ctypes.data, w.ctypes.data)
        )
        self.assertEqual(list(packed.descriptor()[:3]), [0, data.ctypes.data, scale.ctypes.data])

    def test_in_place(self):
        x = normal(3, 5)
        before, address = x.copy(), x.ctypes.data
        y = tritune.affine(x, 2.0, 1.0, out=x)
        self.assertIs(y, x)
        self.assertEqual(self.addresses("tt_affine")[:2], (address, address))
        np.testing.assert_array_equal(x, before * np.float32(2) + np.float32(1))

    def test_64_megabytes_are_worked_on_with_less_than_one_more(self):
        x = np.ones((4096, 4096), np.float32)
        packed = tritune.quantize_4bit(x)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        tritune.affine(x, 3.0, out=x)
        tritune.quantize_4bit(x, data=packed.data, scale=packed.scale)
        tritune.dequantize(packed, out=x)
        self.assertLess(tracemalloc.get_traced_memory()[1], 1e6)
        self.assertEqual(float(x.min()), 3.0)

    def test_a_mapped_file_is_read_where_it_lies(self):
        w = normal(8, 64)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "w.f32")
            w.tofile(path)
            mapped = np.memmap(path, np.float32, "r", shape=w.shape)
            packed = tritune.quantize_4bit(mapped)
            self.assertEqual(self.addresses("tt_quantize_4bit")[2], mapped.ctypes.data)
            del mapped
        np.testing.assert_array_equal(packed.data, tritune.quantize_4bit(w).data)


class Numbers(unittest.TestCase):
    def test_matmul(self):
        a, b = normal(7, 33), normal(33, 9)
        np.testing.assert_allclose(tritune.matmul(a, b), a @ b, atol=1e-4)
        np.testing.assert_allclose(tritune.matmul(a, np.ascontiguousarray(b.T), transpose_b=True), a @ b, atol=1e-4)

    def test_nf4_takes_the_nearest_of_its_16_numbers(self):
        w = normal(4, 64)
        values = np.unique(tritune.dequantize(tritune.quantize_4bit(np.linspace(-1, 1, 4096, dtype=np.float32)[None], block=4096)))
        self.assertEqual(len(values), 16)
        packed = tritune.quantize_4bit(w)
        absmax = np.abs(w).max(axis=1, keepdims=True)
        nearest = values[np.abs(w[..., None] / absmax[..., None] - values).argmin(axis=-1)]
        np.testing.assert_allclose(tritune.dequantize(packed), nearest * absmax, rtol=1e-6)
        np.testing.assert_array_equal(packed.scale, absmax[:, 0])

    def test_int8(self):
        w = normal(4, 40)
        packed = tritune.quantize_int8(w)
        np.testing.assert_allclose(tritune.dequantize(packed), w, atol=float(np.abs(w).max()) / 253)
        self.assertEqual(int(np.abs(packed.data).max()), 127)

    def test_ternary_is_absmean_and_packs_four_rows_a_byte(self):
        w = normal(8, 40)
        packed = tritune.quantize_ternary(w)
        scale = np.abs(w).mean(dtype=np.float64)
        np.testing.assert_allclose(packed.scale, [scale], rtol=1e-6)
        codes = np.clip(np.rint(w / packed.scale[0]), -1, 1)
        np.testing.assert_array_equal(tritune.dequantize(packed), (codes * packed.scale[0]).astype(np.float32))
        quarters = np.concatenate([(packed.data >> (2 * p)) & 3 for p in range(4)]).astype(int) - 1
        np.testing.assert_array_equal(quarters, codes)

    def test_ternary_with_a_scale_for_each_block_of_columns(self):
        w, x = normal(8, 128), normal(3, 128)
        for block in (64, 128):
            packed = tritune.quantize_ternary(w, block=block)
            scale = np.repeat(np.abs(w).reshape(8, -1, block).mean(axis=2), block, axis=1)
            np.testing.assert_allclose(np.repeat(packed.scale.reshape(8, -1), block, axis=1), scale, rtol=1e-6)
            numbers = tritune.dequantize(packed)
            np.testing.assert_allclose(numbers, np.clip(np.rint(w / scale), -1, 1) * scale, rtol=1e-6)
            steps = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
            np.testing.assert_allclose(tritune.linear(x, packed), np.rint(x / steps) * steps @ numbers.T, atol=1e-3)

    def test_linear_is_the_product_with_the_dequantized_weight(self):
        x, w = normal(5, 64), normal(8, 64)
        packed = tritune.quantize_4bit(w)
        np.testing.assert_allclose(tritune.linear(x, packed), x @ tritune.dequantize(packed).T, atol=1e-4)
        # int8 and ternary round the rows of x too, to 127 steps.
        for packed in (tritune.quantize_int8(w), tritune.quantize_ternary(w)):
            steps = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
            rounded = np.rint(x / steps) * steps
            np.testing.assert_allclose(tritune.linear(x, packed), rounded @ tritune.dequantize(packed).T, atol=1e-3)

    def test_hypervectors(self):
        for dims in (1, 31, 32, 100, 1027):
            x, y = trits(5, dims), trits(1, dims)
            a, b = tritune.vsa_pack(x), tritune.vsa_pack(y)
            np.testing.assert_array_equal(tritune.vsa_unpack(a, dims), x)
            np.testing.assert_array_equal(tritune.vsa_unpack(tritune.vsa_product(a, b, dims), dims), x * y)
            key = tritune.vsa_bind(a, b, dims)
            np.testing.assert_array_equal(tritune.vsa_unpack(key, dims), (x - y + 4) % 3 - 1)
            self.assertIs(tritune.vsa_unbind(key, b, dims, out=key), key)
            np.testing.assert_array_equal(key, a)
            bundled = np.sign(x.sum(axis=0, dtype=np.int32))
            np.testing.assert_array_equal(tritune.vsa_unpack(tritune.vsa_bundle(a, dims), dims)[0], bundled)
            dots = x.astype(np.int32) @ x.astype(np.int32).T
            np.testing.assert_array_equal(tritune.vsa_similarity(a, a, dims), dots)
            weights = np.array([1, 0.25, -2, 0.5, 0.25], np.float32)
            weighted = np.sign((x * weights[:, None]).sum(axis=0))
            np.testing.assert_array_equal(tritune.vsa_unpack(tritune.vsa_bundle(a, dims, weights), dims)[0], weighted)
            apart = (x[:, None] != x[None]).sum(axis=2)
            np.testing.assert_array_equal(tritune.vsa_similarity(a, a, dims, "hamming"), apart)
            turned = tritune.vsa_unpack(tritune.vsa_permute(a, dims, 3), dims)
            np.testing.assert_array_equal(turned, np.roll(x, 3, axis=1))

    def test_calls_of_many_threads_take_turns(self):
        inputs = [np.full((64, 64), i, np.float32) for i in range(32)]
        eye = np.eye(64, dtype=np.float32)
        with ThreadPoolExecutor(8) as pool:
            for got, x in zip(pool.map(lambda x: tritune.matmul(x, eye), inputs), inputs):
                np.testing.assert_array_equal(got, x)


class Refused(unittest.TestCase):
    def test_arrays_that_would_need_a_copy(self):
        w = normal(8, 64)
        with self.assertRaisesRegex(TypeError, "weight must be float32, got float64"):
            tritune.quantize_4bit(w.astype(np.float64))
        with self.assertRaisesRegex(ValueError, "C-contiguous"):
            tritune.quantize_4bit(w.T)
        with self.assertRaisesRegex(TypeError, "got list"):
            tritune.quantize_4bit(w.tolist())

    def test_shapes_that_do_not_fit(self):
        x, w = normal(5, 64), normal(8, 64)
        with self.assertRaisesRegex(ValueError, r"x must have shape \(None, 64\), got \(5, 63\)"):
            tritune.linear(np.ascontiguousarray(x[:, :63]), tritune.quantize_4bit(w))
        with self.assertRaisesRegex(ValueError, r"b must have shape \(64, None\)"):
            tritune.matmul(x, w)
        with self.assertRaisesRegex(ValueError, r"out must have shape \(5, 8\)"):
            tritune.matmul(x, w, transpose_b=True, out=np.empty((8, 5), np.float32))
        with self.assertRaisesRegex(ValueError, "b must have 1 row or 3, got 2"):
            tritune.vsa_product(tritune.vsa_pack(trits(3, 40)), tritune.vsa_pack(trits(2, 40)), 40)

    def test_results_that_must_not_be_written(self):
        x = normal(8, 8)
        frozen = np.empty((8, 8), np.float32)
        frozen.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            tritune.matmul(x, x, out=frozen)
        with self.assertRaisesRegex(ValueError, "shares memory"):
            tritune.matmul(x, x, out=x)
        a = tritune.vsa_pack(trits(2, 40))
        with self.assertRaisesRegex(ValueError, "shares memory with b"):
            tritune.vsa_bind(a, a[:1], 40, out=a)

    def test_what_the_library_refuses_says_why(self):
        with self.assertRaises(TrituneError) as raised:
            tritune.quantize_4bit(normal(8, 64), block=48)
        self.assertEqual((raised.exception.function, raised.exception.status), ("tt_quantize_4bit", -3))
        self.assertIn("power of two in 32..4096, got 48 (bad argument)", str(raised.exception))
        with self.assertRaisesRegex(TrituneError, "rows must be a multiple of 4, got 6"):
            tritune.quantize_ternary(normal(6, 64))
        odd = PackedWeight("nf4", np.zeros(1, np.uint8), np.zeros(1, np.float32), (1, 1), block=7)
        with self.assertRaisesRegex(TrituneError, "block"):
            tritune.dequantize(odd)

    def test_the_library_is_found_in_a_clone_and_in_an_installed_package(self):
        for inside in ("native/prebuilt", "node_modules/@tritune"):
            with tempfile.TemporaryDirectory() as root, mock.patch.dict(os.environ, clear=True):
                library = Path(root).resolve() / inside / "linux-arm64" / "libtritune_cpu.so"
                library.parent.mkdir(parents=True)
                library.touch()
                with (
                    mock.patch.object(tritune_cpu, "__file__", f"{root}/docs/examples/python/tritune_cpu.py"),
                    mock.patch.object(sys, "platform", "linux"),
                    mock.patch("platform.machine", return_value="aarch64"),
                ):
                    self.assertEqual(tritune_cpu.find_library(), library)

    def test_other_libraries(self):
        fake = mock.Mock()
        fake.tt_abi_version.return_value = 99
        with mock.patch.object(ctypes, "CDLL", return_value=fake):
            with self.assertRaisesRegex(OSError, f"ABI version 99, this module speaks {tritune_cpu.ABI_VERSION}"):
                open_library("x.so")
        with self.assertRaises(OSError):
            open_library(__file__)
        with mock.patch.dict(os.environ, clear=True), mock.patch.object(sys, "platform", "plan9"):
            with self.assertRaisesRegex(FileNotFoundError, "set TRITUNE_CPU_LIBRARY"):
                open_library()


if __name__ == "__main__":
    unittest.main()
