/**
 * The tritter model: against its reference in PyTorch, its sizes, its dropout, and configurations that cannot be.
 */
import { expect, test } from 'bun:test'
import { clear, noGrad, referenceDevice, tensorScope, TrituneError, withNoise } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { countWeights } from '../../../plugins/finetune/model/count-weights.ts'
import {
  countParameters,
  createBatch,
  estimateModel,
  loadModel,
  MODELS,
  openInitialSource,
  TRITTER_PRESETS,
  tritterPreset,
} from '../../../plugins/models/mod.ts'
import { trainAllWeights } from '../../../plugins/peft/mod.ts'
import { logitsOf, lossAndGradients, measureModel, openGoldenModel, relativeRms } from '../../_golden.ts'
import { emptyPool } from '../../_memory.ts'

const device = openCpu()
const SMALLEST = TRITTER_PRESETS['tritter-test']

test.each([
  ['the CPU', device],
  ['the reference device', referenceDevice],
] as const)('logits, loss and gradients on %s equal those of PyTorch in f64', (_name, on) => {
  const errors = measureModel('tritter', on)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.loss).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-4)
  expect(errors.checkpointingEqual).toBe(true)
})

test('bf16 stays near', () => {
  const { folder, sequences, logits } = openGoldenModel('tritter')
  using model = loadModel(folder, { device, dtype: 'bf16' })
  expect(relativeRms(logitsOf(model, sequences), logits)).toBeLessThanOrEqual(4e-2)
})

function initial(config: Readonly<Record<string, unknown>>, seed = 1): ReturnType<typeof loadModel> {
  return MODELS.tritter.create(config, openInitialSource(config, { device, dtype: 'f32', seed }))
}

test('a preset has as many parameters as are counted', () => {
  for (const config of [SMALLEST, { ...SMALLEST, num_key_value_heads: 1, tie_word_embeddings: true }]) {
    using model = initial(config)
    expect(countWeights(model)).toBe(countParameters(config))
  }
})

test('the presets and their parameters', () => {
  const counts = Object.entries(TRITTER_PRESETS).map(([name, config]) => [name, countParameters(config)])
  expect(counts).toMatchInlineSnapshot(`
    [
      [
        "tritter-test",
        115456,
      ],
      [
        "tritter-small",
        185637888,
      ],
      [
        "tritter-medium",
        442602496,
      ],
      [
        "tritter-large",
        1401104384,
      ],
      [
        "tritter-1b",
        1641228288,
      ],
      [
        "tritter-xlarge",
        2141994496,
      ],
      [
        "tritter-huge",
        6208110592,
      ],
    ]
  `)
})

test('checkpointing is estimated to keep less, bf16 half', () => {
  const shape = { tokens: 1024, context: 512 }
  const config = TRITTER_PRESETS['tritter-small']
  const plain = estimateModel(config, shape)
  const again = estimateModel(config, { ...shape, checkpointing: true })
  const half = estimateModel(config, { ...shape, dtype: 'bf16' })
  expect(again.activationBytes).toBeLessThan(0.35 * plain.activationBytes)
  expect(again.trainingFlops).toBe((plain.trainingFlops * 4) / 3)
  expect(half.weightBytes).toBe(plain.weightBytes / 2)
  expect(half.optimizerBytes).toBe(1.5 * plain.optimizerBytes)
})

test('twelve blocks that run again hold at most 0.35 of the memory, to the same gradients', () => {
  const config = { ...SMALLEST, num_hidden_layers: 12, max_position_embeddings: 512 }
  using model = initial(config)
  const parameters = trainAllWeights(model)
  const ids = Int32Array.from({ length: 512 }, (_, i) => (i * 7) % 256)
  const pass = (checkpointing: boolean): { readonly held: number; readonly gradient: Float32Array } => {
    emptyPool()
    device.resetPeak()
    const before = device.memory().live
    lossAndGradients(model, { ids, rows: 1, length: 512 }, { checkpointing })
    const held = device.memory().peak - before
    const gradient = parameters.get('model.layers.0.mlp.up_proj.weight')?.grad?.toArray()
    for (const { grad } of parameters.values()) if (grad) clear(grad)
    return { held, gradient: gradient ?? new Float32Array() }
  }
  // The first one makes the gradients, which stay.
  pass(true)
  const [again, plain] = [pass(true), pass(false)]
  expect(again.held).toBeLessThanOrEqual(0.35 * plain.held)
  expect(again.gradient).toEqual(plain.gradient)
  expect(plain.gradient.some((value) => value !== 0)).toBe(true)
  const estimate = estimateModel(config, { tokens: 512, context: 512 }).activationBytes
  expect(plain.held / estimate).toBeGreaterThan(0.7)
  expect(plain.held / estimate).toBeLessThan(1.2)
  for (const { grad } of parameters.values()) grad?.dispose()
})

test('dropout changes training passes alone, and by the seed', () => {
  using model = initial(SMALLEST)
  using plain = initial({ ...SMALLEST, dropout: 0 })
  const hidden = (of: typeof model): Float32Array =>
    noGrad(() => {
      using _scope = tensorScope()
      return of.hidden(createBatch({ ids: [3, 1, 4, 1, 5] }, device)).toArray()
    })
  const noisy = (seed: number): Float32Array => withNoise({ seed, step: 0 }, () => hidden(model))
  expect(hidden(model)).toEqual(hidden(plain))
  expect(noisy(1)).not.toEqual(hidden(plain))
  expect(noisy(1)).toEqual(noisy(1))
  expect(noisy(1)).not.toEqual(noisy(2))
})

test('initial weights: by seed and name, of the asked deviation', () => {
  using a = initial(SMALLEST)
  using b = initial(SMALLEST)
  using other = initial(SMALLEST, 2)
  const values = (model: typeof a, name: string): Float32Array =>
    model.weights.get(name)?.toArray() ?? new Float32Array()
  for (const name of a.weights.keys()) expect(values(a, name)).toEqual(values(b, name))
  expect(values(a, 'lm_head.weight')).not.toEqual(values(other, 'lm_head.weight'))
  expect(values(a, 'lm_head.weight')).not.toEqual(values(a, 'model.embed_tokens.weight'))
  const head = values(a, 'lm_head.weight')
  const deviation = Math.sqrt(head.reduce((sum, x) => sum + x * x, 0) / head.length)
  expect(deviation).toBeGreaterThan(0.0195)
  expect(deviation).toBeLessThan(0.0205)
  expect(new Set(values(a, 'model.norm.weight'))).toEqual(new Set([1]))
  expect(new Set(values(a, 'model.norm.bias'))).toEqual(new Set([0]))
})

test.each([
  [
    { num_attention_heads: 3, num_key_value_heads: 3, head_dim: null },
    'hidden_size 64 is not a multiple of 3 attention heads',
  ],
  [
    { num_key_value_heads: 3, num_attention_heads: 4, head_dim: 16 },
    '4 attention heads are not a multiple of 3',
  ],
  [{ dropout: 1 }, 'dropout: expected a number from 0 to below 1, got 1'],
  [{ use_bitnet: 'yes' }, 'use_bitnet: expected true or false'],
  [{ initializer_range: 0 }, 'initializer_range: expected a number above 0'],
  [{ hidden_act: 'relu3' }, 'hidden_act "relu3" is not supported'],
])('%p is refused', (change, message) => {
  expect(() => initial({ ...SMALLEST, ...change })).toThrow(message)
})

test('an unknown preset offers the nearest', () => {
  const read = (): unknown => tritterPreset('triter-small')
  expect(read).toThrow('there is no preset "triter-small"')
  try {
    read()
  } catch (error) {
    expect(error instanceof TrituneError && error.remedy).toContain('tritter-small')
  }
})
