/** Norms, softmax and rotary positions of the native library against f64 loops and central differences. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, F32, lastError } from './_library.ts'
import {
  DTYPES,
  blank,
  dot,
  expectClose,
  normal,
  numericGradient,
  onEveryMachine,
  pack,
  rounding,
  unpack,
} from './_numbers.ts'

const EPS = 1e-5
const SHAPES: readonly (readonly [rows: number, cols: number])[] = [
  [1, 1],
  [3, 37],
  [37, 576],
  [300, 96],
]

function norm(h: Float64Array, w: Float64Array, b: Float64Array | null, centred: boolean): Float64Array {
  const cols = w.length
  const y = new Float64Array(h.length)
  for (let r = 0; r < h.length; r += cols) {
    const row = h.subarray(r, r + cols)
    const mean = centred ? row.reduce((s, v) => s + v, 0) / cols : 0
    const rstd = 1 / Math.sqrt(row.reduce((s, v) => s + (v - mean) ** 2, 0) / cols + EPS)
    for (let i = 0; i < cols; i++) y[r + i] = ((row[i] ?? 0) - mean) * rstd * (w[i] ?? 0) + (b?.[i] ?? 0)
  }
  return y
}

for (const kind of ['rms_norm', 'layer_norm'] as const) {
  const centred = kind === 'layer_norm'
  describe(`tt_${kind}`, () => {
    test(`tt_${kind}_forward() agrees with f64, with and without a residual`, () => {
      onEveryMachine(() => {
        for (const dtype of DTYPES) {
          for (const [rows, cols] of SHAPES) {
            const n = rows * cols
            const [x, residual] = [normal(n, 1, dtype), normal(n, 2, dtype)]
            const [w, b] = [normal(cols, 3, dtype), normal(cols, 4, dtype)]
            for (const withResidual of [false, true]) {
              const [y, hOut] = [blank(n, dtype), withResidual ? blank(n, dtype) : null]
              const [mean, rstd] = [new Float32Array(rows), new Float32Array(rows)]
              const more = withResidual ? pack(residual, dtype) : null
              const outputs = centred ? [y, hOut, mean, rstd] : [y, hOut, rstd]
              const weights = centred ? [pack(w, dtype), pack(b, dtype)] : [pack(w, dtype)]
              run(`tt_${kind}_forward`, ...outputs, pack(x, dtype), more, ...weights, rows, cols, EPS, dtype)
              const h = withResidual ? x.map((v, i) => v + (residual[i] ?? 0)) : x
              if (hOut) expectClose(unpack(hOut), h, rounding(dtype))
              const seen = hOut ? unpack(hOut) : x
              expectClose(unpack(y), norm(seen, w, centred ? b : null, centred), rounding(dtype, 2e-6, 4e-6))
            }
          }
        }
      })
    })

    test(`tt_${kind}_backward() agrees with central differences and adds to dw`, () => {
      onEveryMachine(() => {
        for (const dtype of DTYPES) {
          const [rows, cols] = [5, 19]
          const n = rows * cols
          const [h, dy, dh] = [normal(n, 5, dtype), normal(n, 6, dtype), normal(n, 7, dtype)]
          const [w, b] = [normal(cols, 8, dtype), normal(cols, 9, dtype)]
          const [y, mean, rstd] = [blank(n, dtype), new Float32Array(rows), new Float32Array(rows)]
          const forward = centred ? [y, null, mean, rstd] : [y, null, rstd]
          const weights = centred ? [pack(w, dtype), pack(b, dtype)] : [pack(w, dtype)]
          run(`tt_${kind}_forward`, ...forward, pack(h, dtype), null, ...weights, rows, cols, EPS, dtype)
          for (const direct of [null, dh]) {
            const [dx, dw, db] = [
              blank(n, dtype),
              new Float32Array(cols).fill(2),
              new Float32Array(cols).fill(-1),
            ]
            const saved = centred ? [mean, rstd] : [rstd]
            const grads = centred ? [dx, dw, db] : [dx, dw]
            const through = direct ? pack(direct, dtype) : null
            const inputs = [pack(dy, dtype), through, pack(h, dtype), pack(w, dtype)]
            run(`tt_${kind}_backward`, ...grads, ...inputs, ...saved, rows, cols, dtype)
            const loss = (at: Float64Array): number => dot(norm(at, w, b, centred), dy)
            const expected = numericGradient(loss, h).map((v, i) => v + (direct?.[i] ?? 0))
            expectClose(unpack(dx), expected, rounding(dtype, 1e-5, 1e-5))
            const wLoss = (at: Float64Array): number => dot(norm(h, at, b, centred), dy)
            expectClose(
              dw,
              numericGradient(wLoss, w).map((v) => v + 2),
              { rel: 1e-5, abs: 1e-5 },
            )
            const bLoss = (at: Float64Array): number => dot(norm(h, w, at, centred), dy)
            if (centred)
              expectClose(
                db,
                numericGradient(bLoss, b).map((v) => v - 1),
                { rel: 1e-5, abs: 1e-5 },
              )
          }
        }
      })
    })

    test(`tt_${kind}_backward() gives the same bits for any thread count, with or without dw`, () => {
      const [rows, cols] = [203, 576]
      const n = rows * cols
      const [h, dy, w] = [pack(normal(n, 1), F32), pack(normal(n, 2), F32), pack(normal(cols, 3), F32)]
      const [mean, rstd] = [new Float32Array(rows).fill(0.1), new Float32Array(rows).fill(0.9)]
      const seen = new Map<number, string>()
      onEveryMachine((isa) => {
        const [dx, dw, alone] = [new Float32Array(n), new Float32Array(cols), new Float32Array(n)]
        const saved = centred ? [mean, rstd] : [rstd]
        const nothing = centred ? [null, null] : [null]
        const grads = centred ? [dx, dw, null] : [dx, dw]
        run(`tt_${kind}_backward`, ...grads, dy, null, h, w, ...saved, rows, cols, F32)
        run(`tt_${kind}_backward`, alone, ...nothing, dy, null, h, w, ...saved, rows, cols, F32)
        const digest = Bun.hash(dx).toString() + Bun.hash(dw).toString()
        expect(Bun.hash(alone)).toBe(Bun.hash(dx))
        expect(seen.get(isa) ?? digest).toBe(digest)
        seen.set(isa, digest)
      })
    })

    test(`tt_${kind}_forward() spreads NaN over its row only, and checks its arguments`, () => {
      onEveryMachine(() => {
        const x = pack(normal(3 * 37, 1), F32)
        x[37 + 5] = Number.NaN
        const [y, mean, rstd, w] = [
          new Float32Array(x.length),
          new Float32Array(3),
          new Float32Array(3),
          new Float32Array(37).fill(1),
        ]
        const outputs = centred ? [y, null, mean, rstd] : [y, null, rstd]
        run(`tt_${kind}_forward`, ...outputs, x, null, w, ...(centred ? [null] : []), 3, 37, EPS, F32)
        expect(y.findIndex((v) => Number.isNaN(v))).toBe(37)
        expect(y.filter((v) => Number.isNaN(v)).length).toBe(37)
        const bad = [...outputs, x, x, w, ...(centred ? [null] : []), 3, 37, EPS, F32]
        expect(call(`tt_${kind}_forward`, ...bad)).toBe(BAD_ARGUMENT)
        expect(lastError()).toContain('residual and h_out')
      })
    })
  })
}

describe('tt_softmax', () => {
  const softmax = (x: Float64Array, cols: number): Float64Array => {
    const y = new Float64Array(x.length)
    for (let r = 0; r < x.length; r += cols) {
      const row = x.subarray(r, r + cols)
      const top = Math.max(...row)
      const total = row.reduce((s, v) => s + Math.exp(v - top), 0)
      for (let i = 0; i < cols; i++) y[r + i] = Math.exp((row[i] ?? 0) - top) / total
    }
    return y
  }

  test('tt_softmax_forward() and its gradient agree with f64', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES) {
        for (const [rows, cols] of SHAPES) {
          const n = rows * cols
          const [x, dy] = [normal(n, 1, dtype, 5), normal(n, 2, dtype)]
          const [y, dx] = [blank(n, dtype), blank(n, dtype)]
          run('tt_softmax_forward', y, pack(x, dtype), rows, cols, dtype)
          expectClose(unpack(y), softmax(x, cols), rounding(dtype, 2e-6, 1e-8))
          run('tt_softmax_backward', dx, pack(dy, dtype), y, rows, cols, dtype)
          const p = unpack(y)
          const expected = p.map((v, i) => {
            const r = i - (i % cols)
            return v * ((dy[i] ?? 0) - dot(p.subarray(r, r + cols), dy.subarray(r, r + cols)))
          })
          expectClose(unpack(dx), expected, rounding(dtype, 1e-5, 1e-6))
        }
      }
    })
  })

  test('tt_softmax_forward() gives 0 where the logit is −Inf and NaN where one is NaN', () => {
    onEveryMachine(() => {
      const x = Float32Array.of(0, -Infinity, 0, 1, Number.NaN, 2)
      run('tt_softmax_forward', x, x, 2, 3, F32)
      expect([...x]).toEqual([0.5, 0, 0.5, Number.NaN, Number.NaN, Number.NaN])
    })
  })
})

describe('tt_rope', () => {
  test('tt_rope() turns by the table row of each token, and inverse turns back', () => {
    onEveryMachine((_isa, threads) => {
      for (const dtype of DTYPES) {
        for (const [heads, size, rotary] of [
          [1, 2, 2],
          [3, 64, 64],
          [2, 80, 32],
          [9, 38, 38],
        ] as const) {
          const tokens = threads === 3 ? 301 : 5
          const [half, n, tableRows] = [rotary / 2, tokens * heads * size, 40]
          const positions = Int32Array.from({ length: tokens }, (_, t) => (t * 7) % tableRows)
          const angle = (row: number, i: number): number => row / 10000 ** (i / half)
          const table = (f: (x: number) => number): Float32Array =>
            Float32Array.from({ length: tableRows * half }, (_, j) =>
              f(angle(Math.floor(j / half), j % half)),
            )
          const [cos, sin] = [table(Math.cos), table(Math.sin)]
          const x = normal(n, size, dtype)
          const expected = x.slice()
          for (let t = 0; t < tokens; t++) {
            for (let h = 0; h < heads; h++) {
              for (let i = 0; i < half; i++) {
                const [a, b] = [(t * heads + h) * size + i, (t * heads + h) * size + i + half]
                const [c, s] = [
                  cos[(positions[t] ?? 0) * half + i] ?? 0,
                  sin[(positions[t] ?? 0) * half + i] ?? 0,
                ]
                expected[a] = (x[a] ?? 0) * c - (x[b] ?? 0) * s
                expected[b] = (x[b] ?? 0) * c + (x[a] ?? 0) * s
              }
            }
          }
          const [y, back] = [blank(n, dtype), blank(n, dtype)]
          const rest = [tokens, heads, size, rotary, tableRows]
          run('tt_rope', y, pack(x, dtype), cos, sin, positions, ...rest, 0, dtype)
          expectClose(unpack(y), expected, rounding(dtype))
          run('tt_rope', back, y, cos, sin, positions, ...rest, 1, dtype)
          expectClose(unpack(back), x, dtype === F32 ? rounding(dtype, 1e-6, 1e-6) : { rel: 0.01, abs: 0.02 })
          run('tt_rope', y, y, cos, sin, positions, ...rest, 1, dtype)
          expect(Bun.hash(y)).toBe(Bun.hash(back))
        }
      }
    })
  })

  test('tt_rope() refuses a position outside of the table', () => {
    const a = new Float32Array(8)
    const rest = [2, 1, 4, 4, 2]
    expect(call('tt_rope', a, a, a, a, Int32Array.of(0, 2), ...rest, 0, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toBe('tt_rope: positions[1] is 2, the table has 2 rows')
    expect(call('tt_rope', a, a, a, a, Int32Array.of(-1, 0), ...rest, 0, F32)).toBe(BAD_ARGUMENT)
    expect(call('tt_rope', a, a, a, a, Int32Array.of(0, 0), 2, 1, 4, 3, 2, 0, F32)).toBe(BAD_ARGUMENT)
  })
})
