/** tt_linear_cross_entropy on the emulated device against an f64 loop. */
import { describe, expect, test } from 'bun:test'
import { BF16, F32 } from '../native/_library.ts'
import { worstError } from '../native/_matrix.ts'
import { blankOnDevice, cudaLibrary, DTYPES, integersOnDevice, onDevice, randomOnDevice } from './_device.ts'

const { call } = cudaLibrary()
const ones = (length: number, value = 1): Float64Array => new Float64Array(length).fill(value)

interface Head {
  readonly nll: Float64Array
  readonly dh: Float64Array
  readonly dw: Float64Array
}

function headReference(
  h: Float64Array,
  w: Float64Array,
  targets: Int32Array,
  cols: number,
  scale: number,
  cap: number,
): Head {
  const [rows, vocab] = [targets.length, w.length / cols]
  const out = { nll: new Float64Array(rows), dh: new Float64Array(h.length), dw: new Float64Array(w.length) }
  for (let row = 0; row < rows; row++) {
    if (targets[row] < 0) continue
    const slope = ones(vocab)
    const z = new Float64Array(vocab).map((_, v) => {
      let sum = 0
      for (let c = 0; c < cols; c++) sum += h[row * cols + c] * w[v * cols + c]
      if (cap === 0) return sum
      slope[v] = 1 - Math.tanh(sum / cap) ** 2
      return cap * Math.tanh(sum / cap)
    })
    const top = Math.max(...z)
    const total = z.reduce((sum, value) => sum + Math.exp(value - top), 0)
    out.nll[row] = Math.log(total) + top - z[targets[row]]
    for (let v = 0; v < vocab; v++) {
      const g = scale * slope[v] * (Math.exp(z[v] - top) / total - (v === targets[row] ? 1 : 0))
      for (let c = 0; c < cols; c++) {
        out.dh[row * cols + c] += g * w[v * cols + c]
        out.dw[v * cols + c] += g * h[row * cols + c]
      }
    }
  }
  return out
}

describe('tt_linear_cross_entropy on CUDA', () => {
  // The emulated device has 4 multiprocessors: chunks have at least 32 rows, here several, the last one shorter.
  for (const [rows, cols, vocab] of [
    [1, 1, 2],
    [5, 33, 71],
    [77, 24, 530],
    [100, 17, 30],
    [33, 8, 2056],
  ]) {
    for (const dtype of DTYPES) {
      for (const cap of [0, 3]) {
        test(`tt_linear_cross_entropy() is the f64 result, ${rows} × ${cols} × ${vocab}, dtype ${dtype}, softcap ${cap}`, () => {
          const scale = 0.125
          using h = randomOnDevice(rows * cols, 1, dtype)
          using w = randomOnDevice(vocab * cols, 2, dtype)
          const list = Int32Array.from({ length: rows }, (_, i) => (i % 5 === 3 ? -100 : (i * 7919) % vocab))
          using targets = integersOnDevice(list)
          const want = headReference(h.values(), w.values(), list, cols, scale, cap)
          const runs: string[] = []
          for (let again = 0; again < 2; again++) {
            using loss = blankOnDevice(1)
            using nll = blankOnDevice(rows)
            using dh = blankOnDevice(rows * cols, dtype)
            using dw = onDevice(ones(vocab * cols, 0.5))
            const outputs = [loss.address, nll.address, dh.address, dw.address] as const
            call.tt_linear_cross_entropy(
              ...outputs,
              h.address,
              w.address,
              targets.address,
              rows,
              cols,
              vocab,
              scale,
              cap,
              dtype,
              0,
            )
            const largest = (values: Float64Array): number =>
              values.reduce((top, v) => Math.max(top, Math.abs(v)), 0)
            // bf16: the logits are rounded once, their gradient once more.
            const [loose, limit] = dtype === BF16 ? [2e-2, 2e-2] : [1e-5, 1e-5]
            expect(worstError(nll.values(), want.nll, ones(rows))).toBeLessThan(loose)
            const sum = scale * nll.values().reduce((total, value) => total + value, 0)
            expect(Math.abs(loss.values()[0] - sum)).toBeLessThan(1e-6 * Math.max(1, sum))
            expect(worstError(dh.values(), want.dh, ones(dh.length, largest(want.dh)))).toBeLessThan(limit)
            const wantDw = want.dw.map((value) => value + 0.5)
            expect(worstError(dw.values(), wantDw, ones(dw.length, largest(want.dw)))).toBeLessThan(limit)
            for (const buffer of [loss, nll, dh, dw]) expect(buffer.intact()).toBe(true)
            const [losses, gradient] = [nll.values(), dh.values()]
            list.forEach((target, i) => {
              if (target >= 0) return
              expect(losses[i]).toBe(0)
              expect(gradient.subarray(i * cols, (i + 1) * cols).every((v) => v === 0)).toBe(true)
            })
            runs.push([loss, nll, dh, dw].map((buffer) => Bun.hash(buffer.bytes()).toString()).join())
          }
          expect(runs[0]).toBe(runs[1])
        })
      }
    }
  }

  test('a loss without gradients is the loss with them', () => {
    const [rows, cols, vocab] = [70, 16, 40]
    using h = randomOnDevice(rows * cols, 1, BF16)
    using w = randomOnDevice(vocab * cols, 2, BF16)
    using targets = integersOnDevice(Int32Array.from({ length: rows }, (_, i) => i % vocab))
    using loss = blankOnDevice(1)
    using alone = blankOnDevice(1)
    using dh = blankOnDevice(rows * cols, BF16)
    const rest = [h.address, w.address, targets.address, rows, cols, vocab, 1, 0, BF16, 0] as const
    call.tt_linear_cross_entropy(loss.address, 0, dh.address, 0, ...rest)
    call.tt_linear_cross_entropy(alone.address, 0, 0, 0, ...rest)
    expect(alone.values()[0]).toBeGreaterThan(0)
    expect(alone.values()[0]).toBe(loss.values()[0])
  })

  test('no rows and no trained rows give loss 0', () => {
    using h = randomOnDevice(12, 1)
    using w = randomOnDevice(20, 2)
    using targets = integersOnDevice(new Int32Array(3).fill(-1))
    for (const rows of [0, 3]) {
      using loss = blankOnDevice(1)
      call.tt_linear_cross_entropy(
        loss.address,
        0,
        0,
        0,
        h.address,
        w.address,
        targets.address,
        rows,
        4,
        5,
        1,
        0,
        F32,
        0,
      )
      expect(loss.values()).toEqual(Float64Array.of(0))
    }
  })

  test('NaN in the input reaches the loss', () => {
    using h = onDevice([Number.NaN, 0])
    using w = onDevice([1, 2, 3, 4])
    using targets = integersOnDevice(Int32Array.of(1))
    using loss = onDevice([0])
    call.tt_linear_cross_entropy(
      loss.address,
      0,
      0,
      0,
      h.address,
      w.address,
      targets.address,
      1,
      2,
      2,
      1,
      0,
      F32,
      0,
    )
    expect(loss.values()[0]).toBeNaN()
  })

  test('a target outside the vocabulary is named when the device is waited for', () => {
    using h = randomOnDevice(4, 1)
    using w = randomOnDevice(10, 2)
    using targets = integersOnDevice(Int32Array.of(1, 5))
    using loss = blankOnDevice(1)
    call.tt_linear_cross_entropy(
      loss.address,
      0,
      0,
      0,
      h.address,
      w.address,
      targets.address,
      2,
      2,
      5,
      1,
      0,
      F32,
      0,
    )
    expect(() => call.tt_synchronize(0)).toThrow(/target.*5, allowed 0\.\.4/)
    call.tt_synchronize(0)
  })
})
