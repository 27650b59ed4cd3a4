/** Training that knows of the rounding to come: numbers and gradients as torchao has them, and whole runs. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  backward,
  countLiveTensors,
  type Device,
  parameter,
  sum,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { referenceDevice } from '../../../core/tensor/reference-device.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { type FakeFormat, fakeQuantize } from '../../../plugins/qlora/mod.ts'
import { straightThrough } from '../../../plugins/qlora/qat/straight-through.ts'
import { goldenJson, readFloats, relativeError } from '../../_golden.ts'
import { cpu, workspace } from '../finetune/_run.ts'

interface Golden {
  readonly shape: readonly number[]
  readonly x: readonly number[]
  readonly results: Readonly<Record<string, readonly number[]>>
  /** Of the sum of int4. */
  readonly gradient: readonly number[]
}

const golden = goldenJson<Golden>('qat/cases.json')
const FORMATS: readonly FakeFormat[] = [
  { kind: 'int8' },
  { kind: 'int4', group: 32 },
  { kind: 'nvfp4' },
  { kind: 'mxfp4' },
]

describe.each([cpu, referenceDevice])('torchao on $name', (device: Device) => {
  test.each(FORMATS)('$kind', (format) => {
    using _scope = tensorScope()
    const y = fakeQuantize(tensor(golden.x, { shape: golden.shape, device }), format)
    expect(relativeError(y.toArray(), Float32Array.from(golden.results[format.kind]))).toBeLessThan(1e-6)
    if (device === cpu)
      expect(unsigned(y.toArray())).toEqual(unsigned(Float32Array.from(golden.results[format.kind])))
  })
})

/** There are two zeros. */
function unsigned(values: Float32Array): number[] {
  return Array.from(values, (value) => value + 0)
}

const INT4 = { weight_dtype: 'int4', activation_dtype: 'int8', group_size: 8 }
const QAT = { adapter: 'none', max_steps: 3, micro_batch_size: 2, gradient_accumulation_steps: 1 }
const WIDE = { hidden_size: 64, intermediate_size: 160 }

test('gradients pass but where a weight is cut off', () => {
  using _scope = tensorScope()
  const weight = parameter(tensor(golden.x, { shape: golden.shape, device: cpu }))
  backward(sum(straightThrough(weight, { kind: 'int4', group: 32 })))
  expect(relativeError(weight.grad?.toArray() ?? [], Float32Array.from(golden.gradient))).toBeLessThan(1e-6)
})

test.each([
  INT4,
  { weight_dtype: 'nvfp4', activation_dtype: 'nvfp4', group_size: 16 },
  { weight_dtype: 'mxfp4', activation_dtype: 'mxfp4', group_size: 32 },
])('a run of axolotl\u2019s %o learns, saves plain weights and leaves nothing behind', async (keys) => {
  using space = workspace(WIDE)
  const before = countLiveTensors()
  const plain = await space.train({ ...QAT, output_dir: join(space.path, 'plain') })
  const rounded = await space.train({ ...QAT, qat: keys, max_steps: 8, num_epochs: 4 })
  expect(rounded.losses[0]).not.toBe(plain.losses[0])
  expect(Math.abs(rounded.losses[0] - plain.losses[0])).toBeLessThan(0.5)
  expect(rounded.losses.at(-1)).toBeLessThan(rounded.losses[0])
  expect(await Bun.file(join(rounded.outputDir, 'config.json')).json()).not.toHaveProperty(
    'quantization_config',
  )
  const name = 'model.layers.0.mlp.up_proj.weight'
  const saved = readFloats(openCheckpoint(rounded.outputDir), name)
  expect(new Set(saved).size).toBeGreaterThan(saved.length / 2)
  expect(countLiveTensors()).toBe(before)
})

test('the first steps can go without', async () => {
  using space = workspace(WIDE)
  const plain = await space.train({ ...QAT, output_dir: join(space.path, 'plain') })
  const later = await space.train({ ...QAT, qat: { ...INT4, fake_quant_after_n_steps: 2 } })
  expect(later.losses.slice(0, 2)).toEqual(plain.losses.slice(0, 2))
  expect(later.losses[2]).not.toBe(plain.losses[2])
})

test('what does not go together is told', async () => {
  using space = workspace(WIDE)
  for (const [changes, message] of [
    [{ qat: INT4, adapter: 'lora' }, 'an adapter leaves them as they are'],
    [{ qat: { ...INT4, activation_dtype: 'nvfp4' } }, 'goes with int4 as int8'],
    [{ qat: { weight_dtype: 'nvfp4', activation_dtype: 'nvfp4', group_size: 32 } }, 'of nvfp4 is 16'],
    [{ qat: { ...INT4, group_size: 48 } }, 'no multiple of the group of 48'],
    [{ qat: { ...INT4, weight_dtype: 'int3' } }, 'int3'],
  ] as const)
    expect(prepareRun(space.config({ ...QAT, ...changes }), { device: cpu })).rejects.toThrow(message)
  expect(() => space.config({ ...QAT, qat: { ...INT4, quantize_embedding: true } })).toThrow(
    'quantize_embedding',
  )
})
