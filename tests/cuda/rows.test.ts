/** Row kernels on the emulated device: norms and rotary positions against f64 loops. */
import { describe, expect, test } from 'bun:test'
import { BF16, F32 } from '../native/_library.ts'
import { worstError } from '../native/_matrix.ts'
import {
  blankOnDevice,
  cudaLibrary,
  type DeviceArray,
  DTYPES,
  integersOnDevice,
  onDevice,
  randomOnDevice,
} from './_device.ts'

const EPS = 1e-5
const { call } = cudaLibrary()
const address = (array: DeviceArray | null): number => array?.address ?? 0
const ones = (length: number, value = 1): Float64Array => new Float64Array(length).fill(value)

/** [rows, cols, elements the pointers are shifted by]: which path a case takes stands beside it. */
const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 8, 0], // a warp a row, held
  [19, 64, 0],
  [5, 1024, 0], // a warp with all four packs (bf16)
  [5, 576, 0],
  [3, 4224, 0], // a block a row (bf16), walked backward (f32)
  [2, 9216, 0], // walked in packs: the backward (bf16), both (f32)
  [2, 16_400, 0],
  [7, 37, 0], // odd: one element at a time
  [70, 12, 0], // rows of bf16 that are not multiples of 16 bytes
  [4, 64, 1], // unaligned
]

interface Norm {
  readonly y: Float64Array
  readonly mean: Float64Array
  readonly rstd: Float64Array
}

function normReference(h: Float64Array, w: Float64Array, b: Float64Array | null, centred: boolean): Norm {
  const cols = w.length
  const rows = h.length / cols
  const out = { y: new Float64Array(h.length), mean: new Float64Array(rows), rstd: new Float64Array(rows) }
  for (let r = 0; r < rows; r++) {
    const row = h.subarray(r * cols, (r + 1) * cols)
    const mean = centred ? row.reduce((s, v) => s + v, 0) / cols : 0
    const rstd = 1 / Math.sqrt(row.reduce((s, v) => s + (v - mean) ** 2, 0) / cols + EPS)
    out.mean[r] = mean
    out.rstd[r] = rstd
    for (let i = 0; i < cols; i++) out.y[r * cols + i] = (row[i] - mean) * rstd * w[i] + (b?.[i] ?? 0)
  }
  return out
}

function backwardReference(
  dy: Float64Array,
  h: Float64Array,
  w: Float64Array,
  { mean, rstd }: Norm,
  centred: boolean,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const cols = w.length
  const [dx, dw, db] = [new Float64Array(h.length), new Float64Array(cols), new Float64Array(cols)]
  for (let r = 0; r < rstd.length; r++) {
    let [g, gn] = [0, 0]
    for (let i = 0; i < cols; i++) {
      const n = (h[r * cols + i] - mean[r]) * rstd[r]
      dw[i] += dy[r * cols + i] * n
      db[i] += dy[r * cols + i]
      if (centred) g += (dy[r * cols + i] * w[i]) / cols
      gn += (dy[r * cols + i] * w[i] * n) / cols
    }
    for (let i = 0; i < cols; i++) {
      const n = (h[r * cols + i] - mean[r]) * rstd[r]
      dx[r * cols + i] = rstd[r] * (dy[r * cols + i] * w[i] - g - n * gn)
    }
  }
  return { dx, dw, db }
}

for (const centred of [false, true]) {
  const kind = centred ? 'layer_norm' : 'rms_norm'
  describe(`tt_${kind} on CUDA`, () => {
    for (const dtype of DTYPES) {
      for (const [rows, cols, shift] of SHAPES) {
        const n = rows * cols
        const limit = dtype === BF16 ? 1.2e-2 : 1e-5
        const place = { shift }

        test(`tt_${kind}_forward() is the f64 result, ${rows} × ${cols}, dtype ${dtype}, shift ${shift}`, () => {
          for (const fused of [false, true]) {
            using x = randomOnDevice(n, 1, dtype, place)
            using residual = randomOnDevice(n, 2, dtype, place)
            using w = randomOnDevice(cols, 3, dtype, place)
            using b = randomOnDevice(cols, 4, dtype, place)
            using y = blankOnDevice(n, dtype, place)
            using h = blankOnDevice(n, dtype, place)
            using mean = blankOnDevice(rows)
            using rstd = blankOnDevice(rows)
            const [into, added] = fused ? [h.address, residual.address] : [0, 0]
            if (centred) {
              const saved = [mean.address, rstd.address] as const
              const inputs = [x.address, added, w.address, b.address] as const
              call.tt_layer_norm_forward(y.address, into, ...saved, ...inputs, rows, cols, EPS, dtype, 0)
            } else {
              call.tt_rms_norm_forward(
                y.address,
                into,
                rstd.address,
                x.address,
                added,
                w.address,
                rows,
                cols,
                EPS,
                dtype,
                0,
              )
            }
            const more = fused ? residual.values() : new Float64Array(n)
            const sum = x.values().map((v, i) => v + more[i])
            if (fused) expect(worstError(h.values(), sum, ones(n))).toBeLessThan(dtype === BF16 ? 4e-3 : 1e-7)
            const want = normReference(
              fused ? h.values() : sum,
              w.values(),
              centred ? b.values() : null,
              centred,
            )
            expect(worstError(y.values(), want.y, ones(n))).toBeLessThan(limit)
            expect(worstError(rstd.values(), want.rstd, want.rstd)).toBeLessThan(1e-5)
            if (centred) expect(worstError(mean.values(), want.mean, ones(rows))).toBeLessThan(1e-6)
            for (const buffer of [y, h, mean, rstd]) expect(buffer.intact()).toBe(true)
          }
        })

        test(`tt_${kind}_backward() is the f64 result, ${rows} × ${cols}, dtype ${dtype}, shift ${shift}`, () => {
          using dy = randomOnDevice(n, 1, dtype, place)
          using h = randomOnDevice(n, 2, dtype, place)
          using w = randomOnDevice(cols, 3, dtype, place)
          using dh = randomOnDevice(n, 4, dtype, place)
          const forward = normReference(h.values(), w.values(), null, centred)
          using mean = onDevice(forward.mean)
          using rstd = onDevice(forward.rstd)
          const want = backwardReference(dy.values(), h.values(), w.values(), forward, centred)
          const bits: string[] = []
          for (const [direct, trained] of [
            [null, true],
            [dh, true],
            [dh, false],
            [dh, true],
          ] as const) {
            using dx = blankOnDevice(n, dtype, place)
            using dw = onDevice(ones(cols, 2), F32)
            using db = onDevice(ones(cols, -1), F32)
            const inputs = [dy.address, address(direct), h.address, w.address] as const
            const [toW, toB] = trained ? [dw.address, db.address] : [0, 0]
            if (centred)
              call.tt_layer_norm_backward(
                dx.address,
                toW,
                toB,
                ...inputs,
                mean.address,
                rstd.address,
                rows,
                cols,
                dtype,
                0,
              )
            else call.tt_rms_norm_backward(dx.address, toW, ...inputs, rstd.address, rows, cols, dtype, 0)
            const through = direct ? direct.values() : new Float64Array(n)
            const wantDx = want.dx.map((v, i) => v + through[i])
            const scale = wantDx.reduce((top, v) => Math.max(top, Math.abs(v)), 1)
            expect(worstError(dx.values(), wantDx, ones(n, scale))).toBeLessThan(dtype === BF16 ? 4e-3 : 1e-5)
            const tolerance = ones(cols, Math.sqrt(rows) + 1)
            const wantDw = want.dw.map((v) => v + 2)
            expect(worstError(dw.values(), trained ? wantDw : ones(cols, 2), tolerance)).toBeLessThan(2e-6)
            const wantDb = trained && centred ? want.db.map((v) => v - 1) : ones(cols, -1)
            expect(worstError(db.values(), wantDb, tolerance)).toBeLessThan(2e-6)
            for (const buffer of [dx, dw, db]) expect(buffer.intact()).toBe(true)
            if (direct)
              bits.push(Bun.hash(dx.bytes()).toString(), Bun.hash(trained ? dw.bytes() : '').toString())
          }
          // dx does not depend on whether dw is wanted, and two runs give the same bits.
          expect([bits[0], bits[0]]).toEqual([bits[2], bits[4]])
          expect(bits[1]).toBe(bits[5])
        })
      }
    }

    test(`tt_${kind}_backward() adds the rows up over many blocks`, () => {
      const [rows, cols] = [517, 40]
      using dy = onDevice(ones(rows * cols), BF16)
      using h = onDevice(ones(rows * cols), BF16)
      using w = onDevice(ones(cols), BF16)
      using mean = onDevice(ones(rows, 0.5))
      using rstd = onDevice(ones(rows, 2))
      using dx = blankOnDevice(rows * cols, BF16)
      using dw = onDevice(ones(cols, 0))
      using db = onDevice(ones(cols, 0))
      const inputs = [dy.address, 0, h.address, w.address] as const
      if (centred)
        call.tt_layer_norm_backward(
          dx.address,
          dw.address,
          db.address,
          ...inputs,
          mean.address,
          rstd.address,
          rows,
          cols,
          BF16,
          0,
        )
      else call.tt_rms_norm_backward(dx.address, dw.address, ...inputs, rstd.address, rows, cols, BF16, 0)
      expect(dw.values()).toEqual(ones(cols, centred ? rows : 2 * rows))
      if (centred) expect(db.values()).toEqual(ones(cols, rows))
    })
  })
}

describe('tt_rope on CUDA', () => {
  // [tokens, heads, head size, channels that turn, shift]
  for (const [tokens, heads, size, rotary, shift] of [
    [9, 3, 64, 64, 0],
    [5, 40, 128, 128, 0],
    [4, 2, 64, 32, 0],
    [6, 3, 20, 12, 0],
    [6, 3, 64, 64, 1],
    [3, 2, 10, 0, 0],
  ]) {
    for (const dtype of DTYPES) {
      test(`tt_rope() turns and turns back, ${tokens} × ${heads} × ${size}, ${rotary} channels, dtype ${dtype}, shift ${shift}`, () => {
        const [n, half, tableRows] = [tokens * heads * size, rotary / 2, 50]
        const angles = Float64Array.from({ length: tableRows * half }, (_, i) => (i * 0.37) % 6)
        using cos = onDevice(angles.map(Math.cos))
        using sin = onDevice(angles.map(Math.sin))
        const positions = Int32Array.from({ length: tokens }, (_, t) => (t * 13) % tableRows)
        using where = integersOnDevice(positions)
        using x = randomOnDevice(n, 1, dtype, { shift })
        using y = blankOnDevice(n, dtype, { shift })
        const turn = (to: DeviceArray, from: DeviceArray, inverse: number): void =>
          call.tt_rope(
            to.address,
            from.address,
            cos.address,
            sin.address,
            where.address,
            tokens,
            heads,
            size,
            rotary,
            tableRows,
            inverse,
            dtype,
            0,
          )
        const before = x.values()
        turn(y, x, 0)
        const [c, s] = [cos.values(), sin.values()]
        const want = before.slice()
        for (let row = 0; row < tokens * heads; row++) {
          const angle = positions[Math.floor(row / heads)] * half
          for (let i = 0; i < half; i++) {
            const [a, b] = [before[row * size + i], before[row * size + half + i]]
            want[row * size + i] = a * c[angle + i] - b * s[angle + i]
            want[row * size + half + i] = b * c[angle + i] + a * s[angle + i]
          }
        }
        const limit = dtype === BF16 ? 8e-3 : 1e-6
        expect(worstError(y.values(), want, ones(n))).toBeLessThan(limit)
        expect(y.intact()).toBe(true)
        turn(y, y, 1) // in place
        expect(worstError(y.values(), before, ones(n))).toBeLessThan(2 * limit)
      })
    }
  }

  test('tt_rope() names the position that is not in the table when the device is waited for', () => {
    using x = randomOnDevice(64, 1)
    using table = onDevice(ones(64))
    using where = integersOnDevice(Int32Array.of(0, 4))
    call.tt_rope(
      x.address,
      x.address,
      table.address,
      table.address,
      where.address,
      2,
      1,
      32,
      32,
      4,
      0,
      F32,
      0,
    )
    expect(() => call.tt_synchronize(0)).toThrow(/position.*4, allowed 0\.\.3/)
    call.tt_synchronize(0)
  })
})

test('row functions refuse bad arguments and say which', () => {
  using x = randomOnDevice(64, 1)
  const a = x.address
  expect(() => call.tt_rms_norm_forward(a, a, a, a, 0, a, 1, 8, EPS, F32, 0)).toThrow(
    /both be given or both be null/,
  )
  expect(() => call.tt_rms_norm_forward(a, 0, a, a, 0, 0, 1, 8, EPS, F32, 0)).toThrow(/w is null/)
  expect(() => call.tt_rms_norm_backward(a, 0, a, 0, a, a, a, 1, 0, F32, 0)).toThrow(/cols must be positive/)
  expect(() => call.tt_layer_norm_forward(a, 0, 0, a, a, 0, a, 0, 1, 8, EPS, F32, 0)).toThrow(/mean is null/)
  expect(() => call.tt_layer_norm_forward(a, 0, a, a, a, 0, a, 0, 1, 8, EPS, 4, 0)).toThrow(/dtype/)
  expect(() => call.tt_rope(a, a, a, a, a, 1, 1, 8, 9, 1, 0, F32, 0)).toThrow(/rotary_dim/)
  expect(() => call.tt_linear_cross_entropy(0, 0, 0, 0, a, a, a, 1, 2, 4, 1, 0, F32, 0)).toThrow(/NULL/)
  expect(() => call.tt_linear_cross_entropy(a, 0, 0, 0, a, a, a, 1, 2, 4, 1, -1, F32, 0)).toThrow(/softcap/)
})
