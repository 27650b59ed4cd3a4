/**
 * Mistakes planted in the parts of a run, in models and in ops: the suites find each of them.
 */
import { describe, expect, test } from 'bun:test'
import {
  addTo,
  createHost,
  type DataRecord,
  type DatasetContext,
  defineOptions,
  type Dequantize,
  type GradientTransform,
  linksOf,
  type Model,
  type Monitor,
  mul,
  type Objective,
  type Quantize,
  type QuantizedTensor,
  record,
  type Sampler,
  type Strategy,
  type Tensor,
  tensor,
} from '../../core/mod.ts'
import { training } from '../../plugins/finetune/mod.ts'
import { qlora } from '../../plugins/qlora/mod.ts'
import { MODELS } from '../../plugins/models/mod.ts'
import {
  datasetContract,
  modelContract,
  monitorContract,
  objectiveContract,
  opContract,
  optimizerContract,
  quantizerContract,
  samplerContract,
  strategyContract,
  transformContract,
} from '../../testing/mod.ts'
import { TINY_CONFIG } from '../../testing/tiny-model.ts'
import { broken } from './_planted.ts'

const host = createHost({ plugins: [training, qlora] })
const options = defineOptions({})
const none = { devices: [] }

describe('optimizers', () => {
  /** w ← w − lr·g, with whatever is changed. */
  const sgd = (change: (step: { rate: number; calls: number }) => number): GradientTransform => ({
    name: 'sgd',
    init(parameters) {
      let calls = 0
      return {
        apply({ learningRate, gradScale }) {
          calls++
          for (const weight of parameters.values()) {
            if (!weight.grad) continue
            const rate = change({ rate: learningRate * gradScale, calls })
            using moved = mul(weight.grad, -rate)
            addTo(weight, moved)
          }
        },
        tensors: () => new Map(),
        [Symbol.dispose]() {},
      }
    },
  })
  const suite = (create: () => GradientTransform): Promise<string[]> =>
    broken(optimizerContract({ name: 'sgd', options, create }, none))

  test.each([
    ['comes nearer to the minimum', ({ rate }) => -rate],
    ['with a learning rate of 0 nothing moves', ({ rate }) => rate + 1e-3],
    ['gradScale is a factor of the gradients', () => 0.01],
    ['resumes to the same bits', ({ rate, calls }) => rate / calls],
  ] satisfies [string, (step: { rate: number; calls: number }) => number][])(
    '"%s"',
    async (promise, change) => {
      expect(await suite(() => sgd(change))).toContain(promise)
    },
  )

  test('none of them in one that is right', async () => {
    // It has f32 weights in mind: bf16 is another matter.
    expect(await suite(() => sgd(({ rate }) => rate))).not.toContain('resumes to the same bits')
  })

  test('"leaves nothing behind", "two runs of one do not know of each other"', async () => {
    const kept: Tensor[] = []
    let runs = 0
    const found = await suite(() => {
      const inner = sgd(({ rate }) => rate * ++runs)
      return {
        ...inner,
        init(parameters) {
          const state = inner.init(parameters)
          kept.push(tensor([1]))
          return state
        },
      }
    })
    for (const one of kept) one.dispose()
    expect(found).toContain('leaves nothing behind')
    expect(found).toContain('two runs of one do not know of each other')
  })

  test('"leaves the weights to the optimizer"', async () => {
    const found = await broken(
      transformContract({ name: 'sgd', options, create: () => sgd(({ rate }) => rate) }, none),
    )
    expect(found).toEqual(['leaves the weights to the optimizer'])
  })
})

describe('objectives', () => {
  const crossEntropy = host.find('objective', 'cross_entropy')
  const maker: { create(options: unknown): Objective } = crossEntropy
  const suite = (
    change: (loss: Tensor, inner: Parameters<Objective['loss']>) => Tensor,
  ): Promise<string[]> => {
    const create = (): Objective => {
      const inner = maker.create({})
      return { ...inner, loss: (...all) => ({ loss: change(inner.loss(...all).loss, all) }) }
    }
    return broken(objectiveContract({ ...crossEntropy, create }, none))
  }

  test.each([
    [
      'gives one finite f32 number, and numbers to log under names of its own',
      (loss) => mul(loss, Number.NaN),
    ],
    ['scale is a factor of the loss and of what is logged', (loss) => mul(loss, loss)],
    [
      'is the same whatever the split into micro-batches',
      (loss, [, { trainedTokens }]) => mul(loss, trainedTokens),
    ],
    [
      'the same in evaluation and with checkpointing',
      (loss, [, , { training }]) => mul(loss, training ? 1 : 2),
    ],
    ['gradients are the slopes of the loss', (loss) => mul(loss, 1 + Math.sign(loss.item()) * loss.item())],
  ] satisfies [string, (loss: Tensor, inner: Parameters<Objective['loss']>) => Tensor][])(
    '"%s"',
    async (promise, change) => {
      expect(await suite(change)).toContain(promise)
    },
  )
})

describe('quantizers', () => {
  type Made = Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>
  const nf4 = host.find('quantizer', 'nf4')
  const maker: { create(options: unknown): Made } = nf4
  const suite = (change: (made: Made) => Partial<Made>, error?: number): Promise<string[]> => {
    const create = (given: unknown): Made => {
      const made = maker.create(given)
      return { ...made, ...change(made) }
    }
    return broken(
      quantizerContract({ ...nf4, create }, { ...none, ...(error === undefined ? {} : { error }) }),
    )
  }

  test('"loses no more than …"', async () => {
    expect(await suite(() => ({}), 0.01)).toContain('loses no more than 0.01 of normal numbers')
    const halved = await suite(({ dequantize }) => ({
      dequantize: (packed, dtype) => mul(dequantize(packed, dtype), 0.5),
    }))
    expect(halved).toContain('loses no more than 0.2 of normal numbers')
  })

  test('"what it packs comes back in shape", "the same weight gives the same bits"', async () => {
    const flat = await suite(({ dequantize }) => ({
      dequantize: (packed, dtype) => dequantize(packed, dtype).view([-1]),
    }))
    expect(flat).toContain('what it packs comes back in shape, in f32 and in bf16')
    let runs = 0
    const random = await suite(({ dequantize }) => ({
      dequantize: (packed, dtype) => mul(dequantize(packed, dtype), 1 + 0.001 * runs++),
    }))
    expect(random).toContain('the same weight gives the same bits, and is left as it was')
  })

  test('"is smaller than f32, says by how much, and leaves nothing"', async () => {
    const found = await suite(({ quantize }) => ({ quantize: (x) => ({ ...quantize(x), bytes: x.bytes }) }))
    expect(found).toContain('is smaller than f32, says by how much, and leaves nothing')
  })
})

describe('monitors', () => {
  const suite = (monitor: () => Monitor): Promise<string[]> =>
    broken(monitorContract({ name: 'mine', options, create: monitor }))

  test.each([
    [
      'takes every event of a run, and returns at once',
      () => ({
        onEvent(event) {
          if (event.type === 'note') throw new Error('no')
        },
      }),
    ],
    [
      'takes every event of a run, and returns at once',
      () => ({
        onEvent: (event) => void (event.type === 'step' && Object.assign(event.report, { loss: 0 })),
      }),
    ],
    [
      'takes a run that fails, and one that was asked to stop',
      () => ({ onEvent: (event) => void (event.type === 'end' && BigInt(event.result.loss)) }),
    ],
    [
      'leaves alone an event that it does not know',
      () => ({
        onEvent(event) {
          if (!['start', 'step', 'eval', 'save', 'note', 'end', 'error'].includes(event.type))
            throw new Error('no')
        },
      }),
    ],
    [
      'a resumed run ends with what a whole one ends with',
      () => {
        let steps = 0
        return {
          onEvent: (event) => void (event.type === 'step' && steps++),
          saveState: () => steps,
          loadState() {},
        }
      },
    ],
    [
      'a resumed run ends with what a whole one ends with',
      () => ({ onEvent() {}, saveState: () => Number.NaN, loadState() {} }),
    ],
  ] satisfies [string, () => Monitor][])('"%s"', async (promise, monitor) => {
    expect(await suite(monitor)).toContain(promise)
  })

  test('none of them in one that is right', async () => {
    expect(await suite(() => ({ onEvent() {} }))).toEqual([])
  })
})

describe('samplers', () => {
  const suite = (create: (count: number) => Sampler): Promise<string[]> =>
    broken(samplerContract({ name: 'mine', options, create: (_none, { lengths }) => create(lengths.length) }))
  const all = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i)

  test.each([
    ['every one of 13 examples comes once in each epoch', (count) => ({ order: () => all(count).fill(0) })],
    [
      'the same seed gives the same orders, however often they are asked for',
      (count) => {
        let asked = 0
        return { order: () => (asked++ % 2 ? all(count) : all(count).toReversed()) }
      },
    ],
    [
      "what it gave is the caller's",
      (count) => {
        const kept = all(count)
        return { order: () => kept }
      },
    ],
    [
      'a resumed run goes on in the same order',
      (count) => {
        let steps = 0
        return {
          order: (epoch) => (epoch > 0 && steps > 4 ? all(count).toReversed() : all(count)),
          onStep: () => void steps++,
        }
      },
    ],
  ] satisfies [string, (count: number) => Sampler][])('"%s"', async (promise, create) => {
    expect(await suite(create)).toContain(promise)
  })
})

describe('strategies', () => {
  const suite = (step: () => Strategy): Promise<string[]> =>
    broken(strategyContract({ name: 'mine', options, create: step }))

  test.each([
    [
      'calls next, and passes on what it reports',
      () => ({ step: (_, next) => ({ loss: next().loss, metrics: {} }) }),
    ],
    ['trains', () => ({ step: ({ evaluate }) => ({ loss: evaluate(), metrics: {} }) })],
    [
      'a step gives its loss and numbers under names of their own',
      () => ({ step: (_, next) => ({ ...next(), loss: Number.NaN }) }),
    ],
    [
      'a step gives its loss and numbers under names of their own',
      () => ({
        step(_, next) {
          const { loss, metrics } = next()
          return { loss, metrics: { ...metrics, loss } }
        },
      }),
    ],
    [
      'what fails inside of next() comes through',
      () => ({
        step(_, next) {
          try {
            return next()
          } catch {
            return { loss: 0, metrics: {} }
          }
        },
      }),
    ],
    [
      'resumes to the same bits',
      () => {
        let steps = 0
        return { step: ({ evaluate }, next) => (steps++ > 4 ? { loss: evaluate(), metrics: {} } : next()) }
      },
    ],
  ] satisfies [string, () => Strategy][])('"%s"', async (promise, create) => {
    expect(await suite(create)).toContain(promise)
  })

  test('none of them in one that is right; a tensor that is left is found', async () => {
    expect(await suite(() => ({ step: (_, next) => next() }))).toEqual([])
    const kept: Tensor[] = []
    const leaky = (): Strategy => ({
      step(_, next) {
        kept.push(tensor([1]))
        return next()
      },
    })
    expect(await suite(leaky)).toEqual(['leaves nothing behind'])
    for (const one of kept) one.dispose()
  })
})

describe('dataset types', () => {
  type Tokenize = (record: DataRecord, context: DatasetContext) => ReturnType<typeof right>
  /** The text, all of it trained but for BOS. */
  function right(
    { value, source }: DataRecord,
    { tokenizer }: DatasetContext,
  ): { ids: Int32Array; labels: Int32Array; source: typeof source } {
    const ids = Int32Array.from([
      ...tokenizer.encode(String(value.text), { addSpecialTokens: true }),
      ...(tokenizer.eosId === null ? [] : [tokenizer.eosId]),
    ])
    return { ids, labels: ids.map((id) => (id === tokenizer.bosId ? -100 : id)), source }
  }
  const suite = (tokenize: Tokenize): Promise<string[]> =>
    broken(
      datasetContract(
        { name: 'mine', tokenize },
        { rows: [{ row: { text: 'ab' }, text: '<s>ab</s>', trained: ['ab</s>'] }], wrongRows: [{ row: {} }] },
      ),
    )
  const REFUSED = 'the row {} is refused with its line'

  test('none but the row that is not refused in one that is right', async () => {
    expect(await suite(right)).toEqual([REFUSED])
  })

  test.each([
    [
      'row 1 becomes its document',
      (r, c) => ({ ...right(r, c), ids: right(r, c).ids.slice(1), labels: right(r, c).labels.slice(1) }),
    ],
    ['row 1 becomes its document', (r, c) => ({ ...right(r, c), source: { file: 'x', line: 0 } })],
    ['row 1 trains what it should', (r, c) => ({ ...right(r, c), labels: right(r, c).ids })],
    [
      'row 1 trains what it should',
      (r, c) => ({ ...right(r, c), labels: Int32Array.from([...right(r, c).labels.slice(1), -100]) }),
    ],
    [
      'a tokenizer without BOS and EOS is used, or refused with a reason',
      (r, { tokenizer, ...c }) => {
        const ids = Int32Array.from([
          ...tokenizer.encode('ab', { addSpecialTokens: true }),
          Number(tokenizer.eosId),
        ])
        return { ...right(r, { tokenizer, ...c }), ids, labels: ids }
      },
    ],
  ] satisfies [string, Tokenize][])('"%s"', async (promise, tokenize) => {
    expect(await suite(tokenize)).toContain(promise)
  })
})

describe('models', () => {
  const suite = (change: (model: Model) => Partial<Model>): Promise<string[]> =>
    broken(
      modelContract(
        {
          name: 'llama',
          create(config, weights) {
            const model = MODELS.llama.create(config, weights)
            return {
              ...model,
              get probe() {
                return model.probe
              },
              set probe(probe) {
                model.probe = probe
              },
              ...change(model),
            }
          },
        },
        { config: TINY_CONFIG, ...none },
      ),
    )
  /** One document of all. */
  const joined: Parameters<typeof suite>[0] = ({ hidden }) => ({
    hidden(batch, options) {
      const { size, device } = batch.ids
      const host = { positions: batch.host.positions, offsets: [0, size] }
      return hidden({ ...batch, offsets: tensor([0, size], { dtype: 'i32', device }), host }, options)
    },
  })

  test('"packed documents do not see each other"', async () => {
    expect(await suite(joined)).toContain('packed documents do not see each other')
  })

  test('"a cache gives what the full pass gives"', async () => {
    const found = await suite(({ hidden }) => ({
      hidden(batch, options) {
        if (!options?.cache) return hidden(batch, options)
        // Positions that begin again with each piece.
        const { size, device } = batch.ids
        const places = Int32Array.from({ length: size }, (_, i) => i)
        const positions = tensor(places, { dtype: 'i32', device })
        return hidden(
          { ...batch, positions, positionCount: size, host: { ...batch.host, positions: places } },
          options,
        )
      },
    }))
    expect(found).toEqual([
      'a cache gives what the full pass gives',
      'documents in the rows of one cache give the logits that they have alone',
    ])
  })

  test('"a token does not see those after it"', async () => {
    const found = await suite(({ hidden }) => ({
      hidden(batch, options) {
        const ids = batch.ids.toArray()
        const last = ids.at(-1) ?? 0
        return mul(hidden(batch, options), 1 + last / 100)
      },
    }))
    expect(found).toContain('a token does not see those after it')
  })

  test('"says what it is, and its layers fit that", "leaves nothing"', async () => {
    const other = await suite(({ info }) => ({ info: { ...info, vocabSize: 30 } }))
    expect(other).toContain('says what it is, and its layers fit that')
    const kept: Tensor[] = []
    const leaky = await suite(() => {
      const made = tensor([1])
      made.adopt(null) // out of the scope that the suite opens
      kept.push(made)
      return {}
    })
    for (const one of kept) if (!one.disposed) one.dispose()
    expect(leaky).toContain('leaves nothing')
  })
})

test('ops: a gradient that is not the slope', async () => {
  const wrong = (x: Tensor): Tensor => {
    const links = linksOf<Tensor>({ x })
    const y = mul(x.view(), 3)
    if (links)
      record(
        { name: 'wrong', links, backward: ({ y: dy }) => ({ x: dy && mul(dy, 2) }), release() {} },
        { y },
      )
    return y
  }
  const suite = (run: (x: Tensor) => Tensor): Promise<string[]> =>
    broken(opContract([{ name: 'three', inputs: { x: { shape: [5] } }, run: ({ x }) => [run(x)] }]))
  expect(await suite(wrong)).toEqual(['gradients are the slopes of the op'])
  expect(await suite((x) => mul(x, 3))).toEqual([])
})
