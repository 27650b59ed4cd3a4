import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { referenceDevice } from '../../../../core/mod.ts'
import { loadModel } from '../../../../plugins/models/mod.ts'
import { TINY, writeRandomLlama } from '../../../../scripts/recipes/tiny-llama/init.ts'

const folder = mkdtempSync(join(tmpdir(), 'tiny-llama-'))
afterAll(() => rmSync(folder, { recursive: true }))

const SMALL = {
  ...TINY,
  vocabSize: 300,
  layers: 2,
  hidden: 64,
  heads: 2,
  keyValueHeads: 1,
  headDim: 32,
  intermediate: 96,
}
const write = (name: string, seed: number): string => {
  const path = join(folder, name)
  writeRandomLlama(path, SMALL, { seed, end: 0, pad: 1 })
  return path
}

describe('writeRandomLlama()', () => {
  test('writes a model that loads, with weights of the stated spread', () => {
    using model = loadModel(write('a', 7), { device: referenceDevice })
    expect(model.info).toMatchObject({ type: 'llama', hiddenSize: 64, layerCount: 2, contextLength: 512 })
    const spread = (name: string): number => {
      const values = [...(model.weights.get(name)?.toArray() ?? [])]
      return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length)
    }
    expect(spread('model.embed_tokens.weight')).toBeCloseTo(0.02, 3)
    expect(spread('model.layers.1.self_attn.q_proj.weight')).toBeCloseTo(0.02, 3)
    // Divided by √(2 · 2 layers).
    expect(spread('model.layers.1.mlp.down_proj.weight')).toBeCloseTo(0.01, 3)
    expect(spread('model.norm.weight')).toBe(1)
  })

  test('gives the same bytes for a seed and others for another', () => {
    const bytes = ['b', 'c', 'd'].map((name, i) =>
      readFileSync(join(write(name, i < 2 ? 3 : 4), 'model.safetensors')),
    )
    expect(bytes[0].equals(bytes[1])).toBe(true)
    expect(bytes[0].equals(bytes[2])).toBe(false)
  })
})

describe('TINY', () => {
  test('has 4 M parameters, 8 MB in bf16', () => {
    const { vocabSize, hidden, layers, heads, keyValueHeads, headDim, intermediate } = TINY
    const block = hidden * (2 * (heads + keyValueHeads) * headDim + 3 * intermediate + 2)
    const parameters = vocabSize * hidden + layers * block + hidden
    expect(parameters).toBe(4_000_000)
  })
})
