/**
 * Adapters that PEFT wrote: which modules they are on, what they compute, what merging them gives.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { denseWeight, referenceDevice } from '../../../core/mod.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { tensorDType } from '../../../core/files/safetensors.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, mergedSources, readAdapterConfig } from '../../../plugins/peft/mod.ts'
import {
  ADAPTER_CASES,
  logitsOf,
  openGoldenAdapter,
  readFloats,
  relativeError,
  sameBytes,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()
const devices = [cpu, referenceDevice]

test.each(ADAPTER_CASES.flatMap((name) => devices.map((device) => [name, device.name, device] as const)))(
  'adapter %s on %s: the modules and logits of PEFT',
  (name, _, device) => {
    const golden = openGoldenAdapter(name)
    using model = loadModel(golden.base, { device })
    const plain = logitsOf(model, golden.sequences)
    {
      using adapter = loadAdapter(model, golden.folder)
      expect([...adapter.adapters.keys()]).toEqual([...golden.info.matched])
      const logits = logitsOf(model, golden.sequences)
      expect(relativeError(logits, golden.logits)).toBeLessThanOrEqual(1e-5)
      expect(relativeError(logits, plain)).toBeCloseTo(golden.info.effect, 3)
    }
    expect(sameBytes(logitsOf(model, golden.sequences), plain)).toBe(true) // the adapter is off again
  },
)

test.each([...ADAPTER_CASES])('adapter %s merged: the weights and logits of merge_and_unload()', (name) => {
  const golden = openGoldenAdapter(name)
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'merged')
  {
    using model = loadModel(golden.base, { device: cpu })
    using _adapter = loadAdapter(model, golden.folder)
    saveModel(model, golden.base, folder)
  }
  const merged = openCheckpoint(folder)
  const original = openCheckpoint(golden.base)
  expect([...merged.entries.keys()].toSorted()).toEqual([...original.entries.keys()].toSorted())
  const changed = new Set(golden.info.matched.map((path) => `${path}.weight`))
  for (const [weight, entry] of original.entries) {
    const now = merged.entries.get(weight)
    expect(now?.shape).toEqual(entry.shape)
    expect(now && tensorDType(now)).toBe('f32')
    const values = readFloats(merged, weight)
    if (changed.has(weight))
      expect(
        relativeError(values, readFloats(golden.expected, `merged.${weight}`)),
        weight,
      ).toBeLessThanOrEqual(1e-6)
    else expect(sameBytes(values, readFloats(original, weight)), weight).toBe(true)
  }
  using again = loadModel(folder, { device: cpu })
  const logits = logitsOf(again, golden.sequences)
  expect(relativeError(logits, readFloats(golden.expected, 'merged_logits'))).toBeLessThanOrEqual(1e-5)
})

test.each(['b-nonzero', 'rslora', 'gpt2', 'dora'])(
  'adapter %s: unmerge() takes away what merge() put in',
  (name) => {
    const golden = openGoldenAdapter(name)
    using model = loadModel(golden.base, { device: cpu })
    using attached = loadAdapter(model, golden.folder)
    for (const [path, adapter] of attached.adapters) {
      const layer = model.layers.get(path)
      if (!layer || !adapter.merge || !adapter.unmerge) throw new Error(path)
      using weight = denseWeight(layer)
      using merged = adapter.merge(weight)
      using back = adapter.unmerge(merged)
      expect(relativeError(merged.toArray(), weight.toArray())).toBeGreaterThan(1e-3)
      expect(relativeError(back.toArray(), weight.toArray())).toBeLessThanOrEqual(1e-6)
    }
  },
)

test('mergedSources() without adapters is the checkpoint itself', () => {
  const golden = openGoldenAdapter('gpt2')
  using model = loadModel(golden.base, { device: cpu })
  const original = openCheckpoint(golden.base)
  for (const { name, chunks } of mergedSources(model))
    for (const chunk of chunks())
      expect(sameBytes(Uint8Array.from(chunk), readFloats(original, name)), name).toBe(true)
})

test('the options that PEFT saved name the modules that PEFT matched', () => {
  for (const name of ['b-nonzero', 'rslora', 'regex', 'gpt2']) {
    const golden = openGoldenAdapter(name)
    const saved = readAdapterConfig(golden.folder)
    using model = loadModel(golden.base, { device: cpu })
    using attached = attachLora(model, {
      targetModules: saved.target_modules as string | string[],
      excludeModules: saved.exclude_modules as string | null,
      layersToTransform: saved.layers_to_transform as number[] | null,
      rank: Number(saved.r),
    })
    expect(attached.match.matched).toEqual(golden.info.matched)
  }
})

test('a fresh adapter changes nothing, to the bit of the reference and nearly so on the CPU', () => {
  const golden = openGoldenAdapter('b-nonzero')
  for (const device of devices) {
    using model = loadModel(golden.base, { device })
    const plain = logitsOf(model, golden.sequences)
    using _adapter = attachLora(model, { targetModules: 'all-linear', rank: 4 })
    expect(relativeError(logitsOf(model, golden.sequences), plain)).toBeLessThanOrEqual(
      device === cpu ? 1e-6 : 0,
    )
  }
})

test('attachLora() gives the same values for the same seed and others for another', () => {
  const values = (seed: number): Float32Array[] => {
    using model = loadModel(openGoldenAdapter('b-nonzero').base, { device: cpu })
    using adapter = attachLora(model, { targetModules: ['q_proj'], rank: 4, seed })
    return [...adapter.parameters.values()].map((t) => t.toArray())
  }
  expect(values(3)).toEqual(values(3))
  expect(values(3)).not.toEqual(values(4))
})

test('an adapter on top of an adapter is refused and the first one stays', () => {
  const golden = openGoldenAdapter('b-nonzero')
  using model = loadModel(golden.base, { device: cpu })
  using adapter = attachLora(model, { targetModules: ['q_proj'] })
  expect(() => attachLora(model, { targetModules: ['v_proj', 'q_proj'] })).toThrow(
    'already has an adapter "default"',
  )
  expect(() => loadAdapter(model, golden.folder)).toThrow('already has an adapter')
  expect([...model.layers.values()].filter(({ adapters }) => adapters.length > 0)).toHaveLength(
    adapter.adapters.size,
  )
})
