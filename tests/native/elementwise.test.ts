/** Casts, fills, unary and binary functions, gates and dropout of the native library against f64 loops. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, BF16, F32, lastError } from './_library.ts'
import {
  DTYPES,
  type Dtype,
  blank,
  expectClose,
  fromBf16,
  normal,
  numericGradient,
  onEveryMachine,
  pack,
  rounding,
  toBf16,
  uniform,
  unpack,
} from './_numbers.ts'

const SIZES = [1, 3, 37, 576, 70_001]

function erf(x: number): number {
  // Series below 3, continued fraction above: good to 1e-15.
  const a = Math.abs(x)
  if (a < 3) {
    let term = a
    let total = a
    for (let n = 1; n < 120; n++) {
      term *= (-a * a) / n
      total += term / (2 * n + 1)
    }
    return (Math.sign(x) * 2 * total) / Math.sqrt(Math.PI)
  }
  return Math.sign(x) * (1 - erfc(a))
}
function erfc(a: number): number {
  let fraction = 0
  for (let n = 80; n > 0; n--) fraction = n / 2 / (a + fraction)
  return Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction)
}
const cdf = (x: number): number => (x < -3 ? erfc(-x / Math.SQRT2) / 2 : (1 + erf(x / Math.SQRT2)) / 2)
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const geluTanh = (x: number): number => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))

interface Unary {
  readonly op: number
  readonly f: (x: number) => number
  readonly positive?: boolean
}
const UNARY: Readonly<Record<string, Unary>> = {
  neg: { op: 0, f: (x) => -x },
  exp: { op: 1, f: Math.exp },
  log: { op: 2, f: Math.log, positive: true },
  sqrt: { op: 3, f: Math.sqrt, positive: true },
  rsqrt: { op: 4, f: (x) => 1 / Math.sqrt(x), positive: true },
  tanh: { op: 5, f: Math.tanh },
  sigmoid: { op: 6, f: sigmoid },
  relu: { op: 7, f: (x) => Math.max(0, x) },
  abs: { op: 8, f: Math.abs },
  sin: { op: 9, f: Math.sin },
  cos: { op: 10, f: Math.cos },
  square: { op: 11, f: (x) => x * x },
  reciprocal: { op: 12, f: (x) => 1 / x },
  silu: { op: 13, f: (x) => x * sigmoid(x) },
  geluTanh: { op: 14, f: geluTanh },
  geluErf: { op: 15, f: (x) => x * cdf(x) },
}

describe('tt_unary', () => {
  for (const [name, { op, f, positive }] of Object.entries(UNARY)) {
    test(`tt_unary_forward() ${name} agrees with f64`, () => {
      onEveryMachine((isa, threads) => {
        for (const dtype of DTYPES) {
          const n = SIZES[(isa + threads) % SIZES.length] ?? 1
          const x = normal(n, 100 + op, dtype, 4).map((v) => (positive ? Math.abs(v) + 1e-3 : v))
          const input = pack(x, dtype)
          const y = blank(n, dtype)
          run('tt_unary_forward', y, input, n, op, dtype)
          expectClose(unpack(y), unpack(input).map(f), rounding(dtype, 4e-7, 2e-7))
        }
      })
    })

    test(`tt_unary_backward() ${name} agrees with central differences`, () => {
      onEveryMachine(() => {
        for (const dtype of DTYPES) {
          const n = 77
          const away = (v: number): number => (positive ? Math.abs(v) + 0.1 : v + Math.sign(v) * 0.05)
          const input = pack(normal(n, 200 + op, dtype).map(away), dtype)
          const dy = normal(n, 300 + op, dtype)
          const dx = blank(n, dtype)
          run('tt_unary_backward', dx, pack(dy, dtype), input, n, op, dtype)
          const x = unpack(input)
          const expected = x.map((v, i) => ((f(v + 1e-6) - f(v - 1e-6)) / 2e-6) * (dy[i] ?? 0))
          expectClose(unpack(dx), expected, rounding(dtype, 1e-5, 1e-5))
        }
      })
    })
  }

  test('tt_unary_forward() lets NaN through and reaches the limits at infinity', () => {
    const x = Float32Array.of(Number.NaN, Infinity, -Infinity, 0, 1e-40, 100, -100, 1e5)
    onEveryMachine(() => {
      const at = (op: number): number[] => {
        const y = new Float32Array(x.length)
        run('tt_unary_forward', y, x, x.length, op, F32)
        return [...y]
      }
      for (const { op } of Object.values(UNARY)) expect(at(op)[0]).toBeNaN()
      expect(at(1).slice(1, 4)).toEqual([Infinity, 0, 1])
      expect(at(1)[6]).toBeGreaterThan(0)
      expect(at(2).slice(1, 4)).toEqual([Infinity, Number.NaN, -Infinity])
      expectClose([at(2)[4] ?? 0], [Math.log(x[4] ?? 0)], { rel: 1e-6 })
      expect(at(5).slice(1, 3)).toEqual([1, -1])
      expect(at(6).slice(1, 3)).toEqual([1, 0])
      expect(at(7).slice(1, 3)).toEqual([Infinity, 0])
      expectClose([at(9)[7] ?? 0, at(10)[7] ?? 0], [Math.sin(1e5), Math.cos(1e5)], { rel: 1e-6 })
      expect(at(15)[6]).toBe(-0)
    })
  })
})

describe('tt_cast', () => {
  test('tt_cast() keeps all 65536 bf16 values through f32 and back', () => {
    onEveryMachine(() => {
      const words = Uint16Array.from({ length: 65536 }, (_, i) => i)
      const wide = new Float32Array(65536)
      const back = new Uint16Array(65536)
      run('tt_cast', wide, words, 65536, F32, BF16)
      run('tt_cast', back, wide, 65536, BF16, F32)
      for (let i = 0; i < 65536; i++) {
        const nan = (i & 0x7fff) > 0x7f80
        if (nan ? !Number.isNaN(wide[i]) || ((back[i] ?? 0) & 0x7fff) <= 0x7f80 : back[i] !== i) {
          throw new Error(`bf16 word ${i} came back as ${back[i]}`)
        }
      }
    })
  })

  test('tt_cast() rounds f32 to the nearest even bf16', () => {
    onEveryMachine(() => {
      const next = uniform(5)
      const words = Uint32Array.from({ length: 5001 }, () => (next() * 0xff000000) >>> 0)
      const x = new Float32Array(words.buffer)
      const y = new Uint16Array(5001)
      run('tt_cast', y, x, 5001, BF16, F32)
      for (let i = 0; i < 5001; i++) if (!Number.isNaN(x[i])) expect(y[i]).toBe(toBf16(x[i] ?? 0))
    })
  })

  test('tt_cast() converts f16 and integers', () => {
    onEveryMachine(() => {
      const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00)
      const y = new Float32Array(5)
      run('tt_cast', y, half, 5, F32, 2)
      expect([...y]).toEqual([1, -2, 2 ** -24, 65504, Infinity])
      const back = new Uint16Array(5)
      run('tt_cast', back, y, 5, 2, F32)
      expect([...back]).toEqual([...half])
      const bf = new Uint16Array(5)
      run('tt_cast', bf, half, 5, BF16, 2)
      expect([...bf].map(fromBf16)).toEqual([1, -2, 2 ** -24, 65536, Infinity])
      for (const [array, dtype] of [
        [Int32Array.from({ length: 37 }, (_, i) => i * 1000 - 7), 3],
        [Uint8Array.from({ length: 37 }, (_, i) => i * 6), 4],
        [Int8Array.from({ length: 37 }, (_, i) => i - 30), 5],
      ] as const) {
        const out = new Float32Array(37)
        run('tt_cast', out, array, 37, F32, dtype)
        expect([...out]).toEqual([...array])
      }
    })
  })

  test('tt_cast() refuses integers as a result', () => {
    const y = new Float32Array(1)
    expect(call('tt_cast', y, y, 1, 3, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toContain('y_dtype')
    expect(call('tt_cast', y, y, 1, F32, 9)).toBe(BAD_ARGUMENT)
    expect(call('tt_cast', null, y, 1, F32, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toBe('tt_cast: y is null')
  })
})

describe('tt_fill, tt_affine, tt_add_to', () => {
  test('tt_fill() of more than the caches hold, from any element on, writes all of it and nothing beside it', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES)
        for (const start of [0, 1, 16, 17]) {
          const n = 600_001
          const y = blank(start + n + 5, dtype)
          run('tt_fill', y.subarray(start, start + n), n, -0.3, dtype)
          const filled = unpack(y)
          expectClose(filled.subarray(start, start + n), new Float64Array(n).fill(-0.3), rounding(dtype))
          const beside = [...filled.subarray(0, start), ...filled.subarray(start + n)]
          expect(beside.every(Number.isNaN)).toBe(true)
        }
    })
  })

  test('they agree with f64 at every size', () => {
    onEveryMachine(() => {
      for (const n of SIZES) {
        for (const dtype of DTYPES) {
          const x = normal(n, n, dtype)
          const y = blank(n, dtype)
          run('tt_fill', y, n, 0.3, dtype)
          expectClose(unpack(y), new Float64Array(n).fill(0.3), rounding(dtype))
          run('tt_affine', y, pack(x, dtype), n, -1.5, 0.25, dtype)
          expectClose(
            unpack(y),
            x.map((v) => -1.5 * v + 0.25),
            rounding(dtype),
          )
          for (const other of DTYPES) {
            const start = unpack(y)
            const more = normal(n, n + 1, other)
            const sum = y.slice()
            run('tt_add_to', sum, pack(more, other), n, dtype, other)
            expectClose(
              unpack(sum),
              start.map((v, i) => v + (more[i] ?? 0)),
              rounding(dtype),
            )
          }
        }
      }
    })
  })
})

describe('tt_swiglu, tt_geglu', () => {
  const kinds = [
    { name: 'swiglu', act: (x: number) => x * sigmoid(x), extra: [] },
    { name: 'geglu', act: (x: number) => x * cdf(x), extra: [0] },
    { name: 'geglu', act: geluTanh, extra: [1] },
  ]
  for (const { name, act, extra } of kinds) {
    test(`tt_${name}_forward(${extra}) and its gradient agree with f64`, () => {
      onEveryMachine((_isa, threads) => {
        for (const dtype of DTYPES) {
          const n = threads === 3 ? 40_003 : 37
          const [gate, up, dh] = [normal(n, 1, dtype, 2), normal(n, 2, dtype), normal(n, 3, dtype)]
          const [g, u] = [pack(gate, dtype), pack(up, dtype)]
          const [h, dgate, dup] = [blank(n, dtype), blank(n, dtype), blank(n, dtype)]
          run(`tt_${name}_forward`, h, g, u, n, ...extra, dtype)
          expectClose(
            unpack(h),
            gate.map((v, i) => act(v) * (up[i] ?? 0)),
            rounding(dtype, dtype === F32 ? 1e-6 : 5e-6),
          )
          run(`tt_${name}_backward`, dgate, dup, pack(dh, dtype), g, u, n, ...extra, dtype)
          expectClose(
            unpack(dup),
            gate.map((v, i) => act(v) * (dh[i] ?? 0)),
            rounding(dtype, dtype === F32 ? 1e-6 : 5e-6),
          )
          const slope = (v: number): number => (act(v + 1e-6) - act(v - 1e-6)) / 2e-6
          const expected = gate.map((v, i) => slope(v) * (up[i] ?? 0) * (dh[i] ?? 0))
          expectClose(unpack(dgate), expected, rounding(dtype, dtype === F32 ? 2e-6 : 1e-5, 2e-6))
        }
      })
    })
  }

  test('tt_swiglu_forward() names a null argument', () => {
    const x = new Float32Array(4)
    expect(call('tt_swiglu_forward', x, null, x, 4, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toBe('tt_swiglu_forward: gate is null')
  })
})

describe('tt_dropout', () => {
  /** philox4x32-10 as in the header, with BigInt products. */
  function word(rng: Uint32Array, element: bigint): number {
    const index = (BigInt(rng[4] ?? 0) | (BigInt(rng[5] ?? 0) << 32n)) + element
    const low = 0xffffffffn
    let c = [(index >> 2n) & low, index >> 34n, BigInt(rng[3] ?? 0), BigInt(rng[2] ?? 0)] as const
    let k = [BigInt(rng[0] ?? 0), BigInt(rng[1] ?? 0)] as const
    for (let round = 0; round < 10; round++) {
      const [p0, p1] = [0xd2511f53n * c[0], 0xcd9e8d57n * c[2]]
      c = [(p1 >> 32n) ^ c[1] ^ k[0], p1 & low, (p0 >> 32n) ^ c[3] ^ k[1], p0 & low]
      k = [(k[0] + 0x9e3779b9n) & low, (k[1] + 0xbb67ae85n) & low]
    }
    return Number(c[Number(index & 3n)])
  }

  test('tt_dropout() drops exactly the elements that Philox names', () => {
    const rng = Uint32Array.of(0xdeadbeef, 42, 7, 3, 0xfffffffd, 1)
    onEveryMachine((_isa, threads) => {
      for (const dtype of DTYPES) {
        const n = threads === 1 ? 37 : 300
        const x = normal(n, 9, dtype)
        const y = blank(n, dtype)
        run('tt_dropout', y, pack(x, dtype), rng, n, 0.25, dtype)
        const expected = x.map((v, i) => (word(rng, BigInt(i)) < 0.25 * 2 ** 32 ? 0 : v / 0.75))
        expectClose(unpack(y), expected, rounding(dtype))
      }
    })
  })

  test('tt_dropout() gives the same mask for any thread count, and about p of it is zero', () => {
    const n = 200_003
    const x = pack(new Float64Array(n).fill(1), F32)
    let first: Float32Array | undefined
    onEveryMachine(() => {
      const y = new Float32Array(n)
      run('tt_dropout', y, x, Uint32Array.of(1, 2, 3, 4, 5, 0), n, 0.1, F32)
      first ??= y
      expect(Buffer.compare(Buffer.from(y.buffer), Buffer.from(first.buffer))).toBe(0)
    })
    const dropped = first?.reduce((count, v) => count + (v === 0 ? 1 : 0), 0) ?? 0
    expect(Math.abs(dropped / n - 0.1)).toBeLessThan(0.003)
  })

  test('tt_dropout() with p = 1 gives zeros, and refuses other p', () => {
    const y = new Float32Array(3).fill(5)
    run('tt_dropout', y, y, new Uint32Array(6), 3, 1, F32)
    expect([...y]).toEqual([0, 0, 0])
    expect(call('tt_dropout', y, y, new Uint32Array(6), 3, 1.5, F32)).toBe(BAD_ARGUMENT)
    expect(call('tt_dropout', y, y, null, 3, 0.5, F32)).toBe(BAD_ARGUMENT)
  })
})

describe('tt_adamw', () => {
  const settings = { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.1 }

  test('tt_adamw() follows torch.optim.AdamW for three steps', () => {
    onEveryMachine((_isa, threads) => {
      for (const [dtype, withMaster] of [
        [F32, false],
        [F32, true],
        [BF16, true],
        [BF16, false],
      ] as [Dtype, boolean][]) {
        const n = threads === 3 ? 30_001 : 37
        const start = normal(n, 11, dtype)
        const [w, m, v] = [pack(start, dtype), new Float32Array(n), new Float32Array(n)]
        const master = withMaster ? Float32Array.from(start) : null
        const [em, ev] = [new Float64Array(n), new Float64Array(n)]
        const p = start.slice()
        for (let step = 1; step <= 3; step++) {
          const grad = Float32Array.from(normal(n, 20 + step))
          const [bias1, bias2] = [1 - settings.beta1 ** step, 1 - settings.beta2 ** step]
          const { lr, beta1, beta2, eps, decay } = settings
          run('tt_adamw', w, master, m, v, grad, n, lr, beta1, beta2, eps, decay, bias1, bias2, 0.5, dtype)
          for (let i = 0; i < n; i++) {
            const g = (grad[i] ?? 0) * 0.5
            em[i] = 0.9 * (em[i] ?? 0) + 0.1 * g
            ev[i] = 0.999 * (ev[i] ?? 0) + 0.001 * g * g
            const update = em[i] / bias1 / (Math.sqrt(ev[i] / bias2) + eps)
            p[i] = (p[i] ?? 0) * (1 - lr * decay) - lr * update
            if (dtype === BF16 && !withMaster) p[i] = fromBf16(toBf16(p[i]))
          }
        }
        expectClose(m, em, { rel: 1e-6, abs: 1e-7 })
        expectClose(v, ev, { rel: 1e-6, abs: 1e-9 })
        if (master) expectClose(master, p, { rel: 1e-6, abs: 1e-7 })
        // Without a master a value near a rounding border may fall on the other side.
        expectClose(
          unpack(w),
          p,
          withMaster ? rounding(dtype) : { rel: dtype === F32 ? 1e-6 : 2 ** -7 + 1e-5, abs: 1e-6 },
        )
      }
    })
  })

  test('tt_adamw() refuses a beta of 1', () => {
    const a = new Float32Array(1)
    expect(call('tt_adamw', a, null, a, a, a, 1, 0.1, 1, 0.9, 1e-8, 0, 1, 1, 1, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toContain('beta1')
  })
})

test('numericGradient() is what the other tests rely on: it finds 2x for x²', () => {
  expectClose(
    numericGradient((x) => (x[0] ?? 0) ** 2, Float64Array.of(3)),
    [6],
    { rel: 1e-6 },
  )
})
