import { afterAll, describe, expect, test } from 'bun:test'
import { BAD_ARGUMENT, BF16, F32, call, lastError, reachableIsas, run } from './_library.ts'
import { type Guarded, guarded, randomInput, worstError } from './_matrix.ts'

const SHAPES = [
  { rows: 1, cols: 1, vocab: 2 },
  { rows: 5, cols: 33, vocab: 71 },
  { rows: 37, cols: 48, vocab: 1001 },
  { rows: 100, cols: 17, vocab: 30 },
] as const
const SCALE = 0.125

afterAll(() => run('tt_init', 0, 0, 0))

interface Reference {
  readonly nll: Float64Array
  readonly dh: Float64Array
  readonly dw: Float64Array
}

/** The definition, in f64. */
function reference(
  h: Float64Array,
  w: Float64Array,
  targets: Int32Array,
  cols: number,
  softcap: number,
): Reference {
  const [rows, vocab] = [targets.length, w.length / cols]
  const [nll, dh, dw] = [new Float64Array(rows), new Float64Array(h.length), new Float64Array(w.length)]
  for (let row = 0; row < rows; row++) {
    if (targets[row] < 0) continue
    const slope = new Float64Array(vocab).fill(1)
    const z = new Float64Array(vocab).map((_, v) => {
      let sum = 0
      for (let c = 0; c < cols; c++) sum += h[row * cols + c] * w[v * cols + c]
      if (softcap === 0) return sum
      slope[v] = 1 - Math.tanh(sum / softcap) ** 2
      return softcap * Math.tanh(sum / softcap)
    })
    const top = Math.max(...z)
    const total = z.reduce((sum, value) => sum + Math.exp(value - top), 0)
    nll[row] = Math.log(total) + top - z[targets[row]]
    for (let v = 0; v < vocab; v++) {
      const g = SCALE * slope[v] * (Math.exp(z[v] - top) / total - (v === targets[row] ? 1 : 0))
      for (let c = 0; c < cols; c++) {
        dh[row * cols + c] += g * w[v * cols + c]
        dw[v * cols + c] += g * h[row * cols + c]
      }
    }
  }
  return { nll, dh, dw }
}

interface Outputs {
  readonly loss: Guarded
  readonly nll: Guarded
  readonly dh: Guarded
  readonly dw: Guarded
}

function outputs(rows: number, cols: number, vocab: number, dtype: number): Outputs {
  return {
    loss: guarded([0]),
    nll: guarded(new Float64Array(rows)),
    dh: guarded(new Float64Array(rows * cols).fill(9), dtype),
    dw: guarded(new Float64Array(vocab * cols).fill(0.5)),
  }
}

const largest = (values: Float64Array): number => values.reduce((top, v) => Math.max(top, Math.abs(v)), 0)

for (const isa of reachableIsas()) {
  describe(`instruction set ${isa}`, () => {
    for (const dtype of [F32, BF16]) {
      for (const softcap of [0, 3]) {
        test(`tt_linear_cross_entropy() is the f64 result, dtype ${dtype}, softcap ${softcap}`, () => {
          for (const { rows, cols, vocab } of SHAPES) {
            run('tt_init', 0, 1 + (rows % 3), isa)
            const [h, w] = [randomInput(rows * cols, 1, dtype), randomInput(vocab * cols, 2, dtype)]
            const targets = Int32Array.from({ length: rows }, (_, i) =>
              i % 5 === 3 ? -100 : (i * 7919) % vocab,
            )
            const { loss, nll, dh, dw } = outputs(rows, cols, vocab, dtype)
            const sizes = [rows, cols, vocab, SCALE, softcap, dtype] as const
            run(
              'tt_linear_cross_entropy',
              loss.view,
              nll.view,
              dh.view,
              dw.view,
              h.view,
              w.view,
              targets,
              ...sizes,
              null,
            )
            const want = reference(h.values(), w.values(), targets, cols, softcap)
            const flat = (n: number, value: number): Float64Array => new Float64Array(n).fill(value)
            // Products of exact bf16 values are summed in f32 on AMX too; only the gradient is rounded to bf16.
            expect(worstError(nll.values(), want.nll, flat(rows, 1))).toBeLessThan(1e-5)
            const sum = SCALE * want.nll.reduce((total, value) => total + value, 0)
            expect(Math.abs(loss.view[0] - sum)).toBeLessThan(1e-5 * Math.max(1, sum))
            const limit = dtype === BF16 ? 2 ** -7 : 1e-5
            expect(worstError(dh.values(), want.dh, flat(dh.length, largest(want.dh)))).toBeLessThan(limit)
            const wantDw = want.dw.map((value) => value + 0.5)
            expect(worstError(dw.values(), wantDw, flat(dw.length, largest(want.dw)))).toBeLessThan(limit)
            for (const buffer of [loss, nll, dh, dw]) expect(buffer.intact()).toBe(true)
            targets.forEach((target, i) => {
              if (target < 0)
                expect(
                  dh
                    .values()
                    .subarray(i * cols, (i + 1) * cols)
                    .every((v) => v === 0),
                ).toBe(true)
            })
          }
        })
      }
    }

    test('a vocabulary so large that the rows come in several chunks gives the same as one row at a time', () => {
      run('tt_init', 0, 2, isa)
      const [rows, cols, vocab] = [72, 4, 600_001]
      const [h, w] = [randomInput(rows * cols, 1), randomInput(vocab * cols, 2)]
      const targets = Int32Array.from({ length: rows }, (_, i) => i * 1000)
      const { loss, nll, dh } = outputs(rows, cols, vocab, F32)
      const all = [rows, cols, vocab, SCALE, 0, F32] as const
      run(
        'tt_linear_cross_entropy',
        loss.view,
        nll.view,
        dh.view,
        null,
        h.view,
        w.view,
        targets,
        ...all,
        null,
      )
      for (const row of [0, 31, 71]) {
        const one = outputs(1, cols, vocab, F32)
        const input = h.view.subarray(row * cols, (row + 1) * cols)
        const single = [1, cols, vocab, SCALE, 0, F32] as const
        const target = targets.subarray(row, row + 1)
        run(
          'tt_linear_cross_entropy',
          one.loss.view,
          one.nll.view,
          one.dh.view,
          null,
          input,
          w.view,
          target,
          ...single,
          null,
        )
        expect(nll.view[row]).toBeCloseTo(one.nll.view[0], 5)
        for (let c = 0; c < cols; c++) expect(dh.view[row * cols + c]).toBeCloseTo(one.dh.view[c], 6)
      }
    })

    test('gradients agree with finite differences of the loss', () => {
      run('tt_init', 0, 2, isa)
      const [rows, cols, vocab, softcap] = [20, 6, 11, 4]
      const [h, w] = [randomInput(rows * cols, 1), randomInput(vocab * cols, 2)]
      const targets = Int32Array.from({ length: rows }, (_, i) => (i * 3) % vocab)
      const sizes = [rows, cols, vocab, 1, softcap, F32] as const
      const loss = (): number => {
        const out = new Float32Array(1)
        run('tt_linear_cross_entropy', out, null, null, null, h.view, w.view, targets, ...sizes, null)
        return out[0]
      }
      const [dh, dw] = [guarded(new Float64Array(rows * cols)), guarded(new Float64Array(vocab * cols))]
      run(
        'tt_linear_cross_entropy',
        new Float32Array(1),
        null,
        dh.view,
        dw.view,
        h.view,
        w.view,
        targets,
        ...sizes,
        null,
      )
      for (const [values, gradient] of [
        [h, dh],
        [w, dw],
      ] as const) {
        for (let i = 0; i < values.length; i += 3) {
          const value = values.view[i]
          values.view[i] = value + 2 ** -6
          const above = loss()
          values.view[i] = value - 2 ** -6
          const difference = (above - loss()) * 2 ** 5
          values.view[i] = value
          expect(Math.abs(gradient.view[i] - difference)).toBeLessThan(2e-3)
        }
      }
    })
  })
}

test('no trained row: loss 0, dh 0, dw unchanged', () => {
  const [h, w] = [randomInput(12, 1), randomInput(20, 2)]
  const { loss, nll, dh, dw } = outputs(3, 4, 5, F32)
  const targets = new Int32Array(3).fill(-100)
  run(
    'tt_linear_cross_entropy',
    loss.view,
    nll.view,
    dh.view,
    dw.view,
    h.view,
    w.view,
    targets,
    3,
    4,
    5,
    1,
    0,
    F32,
    null,
  )
  expect([...loss.values(), ...nll.values(), ...dh.values()].every((value) => value === 0)).toBe(true)
  expect(dw.values().every((value) => value === 0.5)).toBe(true)
})

test('NaN in the input reaches the loss', () => {
  const h = guarded([Number.NaN, 0])
  const w = guarded([1, 2, 3, 4])
  const loss = new Float32Array(1)
  run(
    'tt_linear_cross_entropy',
    loss,
    null,
    null,
    null,
    h.view,
    w.view,
    new Int32Array([1]),
    1,
    2,
    2,
    1,
    0,
    F32,
    null,
  )
  expect(loss[0]).toBeNaN()
})

test('tt_linear_cross_entropy() refuses bad arguments and says which', () => {
  const f = new Float32Array(16)
  const withTarget = (target: number, dtype: number): number =>
    call(
      'tt_linear_cross_entropy',
      f,
      null,
      null,
      null,
      f,
      f,
      new Int32Array([target]),
      1,
      2,
      4,
      1,
      0,
      dtype,
      null,
    )
  expect(withTarget(4, F32)).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('target 4 of row 0')
  expect(withTarget(0, 5)).toBe(BAD_ARGUMENT)
  expect(call('tt_linear_cross_entropy', null, null, null, null, f, f, f, 1, 2, 4, 1, 0, F32, null)).toBe(
    BAD_ARGUMENT,
  )
  expect(call('tt_linear_cross_entropy', f, null, null, null, f, f, f, 1, 2, 4, 1, -1, F32, null)).toBe(
    BAD_ARGUMENT,
  )
})
