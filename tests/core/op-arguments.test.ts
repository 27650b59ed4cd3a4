/**
 * Arguments that do not fit are an error before anything native is called, on every device.
 */
import { describe, expect, test } from 'bun:test'
import * as t from '../../core/mod.ts'
import { stridedCopy } from '../../core/ops/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'

const { device: cpu } = openCpuOrReference({ threads: 2 })

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof t.TrituneError) return error.code
    throw error
  }
  return 'no error'
}

for (const device of new Set([cpu, t.referenceDevice])) {
  describe(`on ${device.name}`, () => {
    const refuses = (name: string, code: t.ErrorCode, run: () => unknown): void =>
      test(name, () => {
        using _device = t.useDevice(device)
        using _scope = t.tensorScope()
        expect(codeOf(run)).toBe(code)
      })

    for (const shape of [[2 ** 62, 4], [Infinity], [1.5], [NaN], [-1], [2 ** 53, 2], [2 ** 40, 2 ** 40, 0]])
      refuses(`zeros([${shape.join(', ')}])`, 'E_SHAPE', () => t.zeros(shape))
    refuses('zeros() of a dtype that there is not', 'E_DTYPE', () =>
      t.zeros([2], { dtype: 'f64' as t.DType }),
    )
    refuses('zeros() of more than any machine has', 'E_MEMORY', () => t.zeros([2 ** 47]))
    refuses('an id that an i32 cannot hold', 'E_VALUE', () => t.tensor([2 ** 32 + 1, 2], { dtype: 'i32' }))
    refuses('an id that is no whole number', 'E_VALUE', () => t.tensor([0.5], { dtype: 'i32' }))
    refuses('a window that starts nowhere', 'E_SHAPE', () => t.zeros([8]).window([2], NaN))
    refuses('a window of a negative size', 'E_SHAPE', () => t.zeros([8]).window([-2, -2], 0))
    refuses('a walk out of x', 'E_SHAPE', () => stridedCopy(t.zeros([64]), [64], [[64, 1, 1 << 22]]))
    refuses('a negative stride', 'E_SHAPE', () => stridedCopy(t.zeros([64]), [64], [[64, 1, -1]]))
    refuses('a walk that meets itself in y', 'E_SHAPE', () =>
      stridedCopy(
        t.zeros([6]),
        [6],
        [
          [2, 1, 3],
          [3, 1, 1],
        ],
      ),
    )
    refuses('a walk that leaves y unwritten', 'E_SHAPE', () => stridedCopy(t.zeros([6]), [6], [[3, 1, 1]]))
    refuses('softmaxBackward with a short dy', 'E_SHAPE', () =>
      t.run(t.softmaxBackward, { dy: t.zeros([2]), y: t.zeros([100, 100]) }, null),
    )
    refuses('attentionBackward with a short lse', 'E_SHAPE', () => {
      const x = t.zeros([4, 2, 8])
      const offsets = t.tensor([0, 4], { dtype: 'i32' })
      const inputs = {
        grad: x,
        o: x,
        lse: t.zeros([1]),
        q: x,
        k: x,
        v: x,
        offsetsQ: offsets,
        offsetsK: offsets,
      }
      return t.run(t.attentionBackward, inputs, { scale: 1, causal: true, window: 0, softcap: 0 })
    })
    refuses('sample() with a key of one word', 'E_VALUE', () =>
      t.sample(t.zeros([1, 8]), {
        temperature: 1,
        topK: 0,
        topP: 1,
        repetitionPenalty: 1,
        key: new Uint32Array(1),
        history: null,
      }),
    )
    refuses('linearBackward without the x that dw needs', 'E_SHAPE', () =>
      t.run(
        t.linearBackward,
        {
          dy: t.zeros([2, 3]),
          x: undefined,
          weight: t.zeros([3, 4]),
          loraA: undefined,
          loraB: undefined,
          xa: undefined,
        },
        {
          scale: 0,
          dropout: 0,
          rng: null,
          wantsDx: false,
          wantsDw: true,
          wantsDbias: false,
          wantsDa: false,
          wantsDb: false,
          accumulateDx: false,
        },
      ),
    )
    refuses('an eps that is no number', 'E_VALUE', () =>
      t.rmsNorm(t.zeros([2, 4]), t.zeros([4]), { eps: NaN }),
    )
    refuses('a name from the prototype', 'E_VALUE', () =>
      t.run(t.unaryForward, { x: t.zeros([2]) }, { f: 'toString' as t.UnaryFunction }),
    )
    refuses('a learning rate that is no number', 'E_VALUE', () => {
      const [weight, m, v, grad] = [t.zeros([2]), t.zeros([2]), t.zeros([2]), t.zeros([2])]
      return t.adamwStep(
        { weight, master: null, m, v, grad },
        { lr: NaN, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, bias1: 0.1, bias2: 0.1, gradScale: 1 },
      )
    })
    refuses('a seed that is no whole number', 'E_VALUE', () => t.withNoise({ seed: 0.5, step: 0 }, () => 1))

    // Programs without types pass what there is: it is our error, never one of the engine.
    const x = (): t.Tensor => t.zeros([2, 4])
    const WRONG: readonly (readonly [name: string, call: (value: never) => unknown])[] = [
      ['stridedCopy, x', (v) => stridedCopy(v, [8], [[8, 1, 1]])],
      ['stridedCopy, shape', (v) => stridedCopy(x(), v, [[8, 1, 1]])],
      ['stridedCopy, dims', (v) => stridedCopy(x(), [8], v)],
      ['stridedCopy, an axis', (v) => stridedCopy(x(), [8], [v])],
      ['add, a', (v) => t.add(v, x())],
      ['neg', (v) => t.neg(v)],
      ['softmax', (v) => t.softmax(v)],
      ['sum', (v) => t.sum(v)],
      ['sumTo, shape', (v) => t.sumTo(x(), v)],
      ['sumSquares', (v) => t.sumSquares(v)],
      ['matmul, b', (v) => t.matmul(x(), v)],
      ['reshape, x', (v) => t.reshape(v, [8])],
      ['reshape, shape', (v) => t.reshape(x(), v)],
      ['permute, axes', (v) => t.permute(x(), v)],
      ['transpose', (v) => t.transpose(v)],
      ['slice, x', (v) => t.slice(v, {})],
      ['concat', (v) => t.concat(v)],
      ['expand, shape', (v) => t.expand(x(), v)],
      ['cast, x', (v) => t.cast(v, 'bf16')],
      ['dropout, x', (v) => t.dropout(v, { p: 0.5, site: 0 })],
      ['embedding, ids', (v) => t.embedding(x(), v)],
      ['linear, weight', (v) => t.linear(x(), v)],
      ['rmsNorm, weight', (v) => t.rmsNorm(x(), v)],
      ['layerNorm, x', (v) => t.layerNorm(v, t.zeros([4]))],
      ['swiglu, up', (v) => t.swiglu(x(), v)],
      ['rope, tables', (v) => t.rope(x(), v)],
      ['attention, options', (v) => t.attention(x(), x(), x(), v)],
      ['linearCrossEntropy, targets', (v) => t.linearCrossEntropy(x(), x(), v, { scale: 1 })],
      ['sample, options', (v) => t.sample(x(), v)],
      ['linearQuantized, weight', (v) => t.linearQuantized(x(), v)],
      ['quantize4bit', (v) => t.quantize4bit(v)],
      ['dequantizeWeight', (v) => t.dequantizeWeight(v)],
      ['vsaBundle', (v) => t.vsaBundle(v, { dims: 4 })],
      ['zeros', (v) => t.zeros(v)],
    ]
    const VALUES: readonly unknown[] = [
      undefined,
      null,
      7,
      'x',
      true,
      {},
      [null],
      ['a'],
      () => 1,
      Symbol('s'),
      10n,
    ]
    test.each(WRONG)('a value of the wrong kind is our error: %s', (_, call) => {
      using _device = t.useDevice(device)
      for (const value of VALUES) {
        using _scope = t.tensorScope()
        expect([value, codeOf(() => call(value as never))]).toEqual([
          value,
          expect.stringMatching(/^E_(SHAPE|VALUE|DTYPE)$/),
        ])
      }
    })

    for (const [name, run] of [
      ['embedding', () => t.embedding(t.zeros([3, 2]), t.tensor([3], { dtype: 'i32' }))],
      ['embedding, negative', () => t.embedding(t.zeros([3, 2]), t.tensor([-1], { dtype: 'i32' }))],
      [
        'offsets that fall',
        () => {
          const x = t.zeros([4, 1, 8])
          const offsets = t.tensor([0, 3, 2, 4], { dtype: 'i32' })
          return t.attention(x, x, x, { offsetsQ: offsets, offsetsK: offsets, scale: 1 })
        },
      ],
      [
        'a target past the vocabulary',
        () =>
          t.linearCrossEntropy(t.zeros([1, 2]), t.zeros([3, 2]), t.tensor([3], { dtype: 'i32' }), {
            scale: 1,
          }),
      ],
    ] as const) {
      test(`an index out of range is an error: ${name}`, () => {
        using _device = t.useDevice(device)
        using _scope = t.tensorScope()
        expect(['E_SHAPE', 'E_NATIVE']).toContain(codeOf(run))
      })
    }

    test('rows of nothing keep their number', () => {
      using _device = t.useDevice(device)
      using _scope = t.tensorScope()
      expect(t.zeros([5, 0]).rows).toBe(5)
      expect(t.zeros([2, 3, 4]).rows).toBe(6)
      expect(t.zeros([]).rows).toBe(1)
    })
  })
}
