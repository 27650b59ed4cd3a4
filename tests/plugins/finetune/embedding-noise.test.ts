/**
 * NEFTune: noise of the right size, in training only, keyed.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { forwardLayer, headLogits, noGrad, tensor, tensorScope, withNoise } from '../../../core/mod.ts'
import { withEmbeddingNoise } from '../../../plugins/finetune/training/embedding-noise.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { cpu, fileBytes, workspace } from './_run.ts'

/** Noise that a pass adds, token by token. */
function noiseOf(
  documents: readonly number[],
  {
    alpha = 5,
    rowLength = null,
    step = 0,
    offset = 0,
    dtype = 'f32',
  }: {
    readonly alpha?: number
    readonly rowLength?: number | null
    readonly step?: number
    readonly offset?: number
    readonly dtype?: 'f32' | 'bf16'
  } = {},
): { readonly noise: Float32Array; readonly channels: number } {
  using folder = temporaryFolder()
  writeTinyModel(join(folder.path, 'model'))
  using model = loadModel(join(folder.path, 'model'), { device: cpu, dtype })
  using _scope = tensorScope()
  const count = documents.reduce((sum, length) => sum + length, 0)
  const ids = tensor(new Int32Array(count).fill(3), { dtype: 'i32', device: cpu })
  const offsets = Int32Array.from([
    0,
    ...documents.map((_, i) => documents.slice(0, i + 1).reduce((a, b) => a + b)),
  ])
  const before = forwardLayer(model.embedding, ids).toArray()
  let after = before
  withNoise({ seed: 7, step, offset }, () =>
    withEmbeddingNoise({ alpha, rowLength }, model, { offsets }, () => {
      after = noGrad(() => forwardLayer(model.embedding, ids).toArray())
    }),
  )
  expect(forwardLayer(model.embedding, ids).toArray()).toEqual(before)
  return { noise: after.map((value, i) => value - before[i]), channels: model.info.hiddenSize }
}

test('Gemma scales its rows, not the noise', () => {
  const most = (scale: number): number => {
    using model = loadModel(join(GOLDEN, 'models/gemma'), { device: cpu })
    using _scope = tensorScope()
    const ids = tensor(new Int32Array(40).fill(3), { dtype: 'i32', device: cpu })
    const embedded: Float32Array[] = []
    model.probe = (path, value) => {
      if (path === 'model.embed_tokens') embedded.push(value.toArray())
    }
    const pass = (): unknown => noGrad(() => model.hidden(createBatch({ ids: ids.toArray() }, cpu)))
    pass()
    const offsets = Int32Array.of(0, 40)
    withNoise({ seed: 7, step: 0 }, () =>
      withEmbeddingNoise({ alpha: scale, rowLength: null }, model, { offsets }, () => void pass()),
    )
    return Math.max(...embedded[1].map((value, i) => Math.abs(value - embedded[0][i])))
  }
  const expected = 5 / Math.sqrt(40 * 32)
  expect(most(5)).toBeLessThanOrEqual(expected * 1.001)
  expect(most(5)).toBeGreaterThan(expected * 0.95)
})

describe('the noise', () => {
  test.each([null, 64])('is uniform in ± alpha / √(tokens · channels), rows of %p', (rowLength) => {
    const documents = [40, 300]
    const { noise, channels } = noiseOf(documents, { rowLength })
    let start = 0
    for (const length of documents) {
      const most = 5 / Math.sqrt((rowLength ?? length) * channels)
      const own = Array.from(noise.subarray(start * channels, (start + length) * channels))
      expect(Math.max(...own.map(Math.abs))).toBeLessThanOrEqual(most * 1.0001)
      const mean = own.reduce((a, b) => a + b) / own.length
      const variance = own.reduce((a, b) => a + b * b, 0) / own.length
      // Of a uniform number: mean 0, variance most²/3; five standard errors.
      expect(Math.abs(mean)).toBeLessThan((5 * most) / Math.sqrt(3 * own.length))
      expect(Math.abs(variance / ((most * most) / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / own.length))
      // Quarters of its range are as full.
      for (const quarter of [-1, -0.5, 0, 0.5]) {
        const part = own.filter((value) => value >= quarter * most && value < (quarter + 0.5) * most)
        expect(Math.abs(part.length / own.length - 0.25)).toBeLessThan(5 * Math.sqrt(0.1875 / own.length))
      }
      start += length
    }
  })

  test('is another in each step, and the same however the window is split', () => {
    const whole = noiseOf([5, 5]).noise
    const { noise: second } = noiseOf([5], { offset: 5 })
    expect(whole.subarray(whole.length / 2)).toEqual(second)
    expect(noiseOf([5, 5], { step: 1 }).noise).not.toEqual(whole)
  })

  test('is added in the dtype of the model', () => {
    const { noise } = noiseOf([10], { dtype: 'bf16' })
    expect(noise.some((value) => value !== 0)).toBe(true)
  })
})

describe('a run', () => {
  test('has it in training alone, and resumes to the same bits', async () => {
    using space = workspace()
    const noisy = {
      neftune_noise_alpha: 5,
      val_set_size: 3,
      eval_steps: 2,
      save_strategy: undefined,
      save_steps: 2,
    }
    const plain = await space.train({
      ...noisy,
      neftune_noise_alpha: null,
      output_dir: join(space.path, 'plain'),
    })
    const whole = await space.train({ ...noisy, output_dir: join(space.path, 'whole') })
    expect(whole.losses).not.toEqual(plain.losses)
    const still = await space.train({ ...noisy, learning_rate: 1e-30, output_dir: join(space.path, 'still') })
    const evaluations = still.events.flatMap((event) => (event.type === 'eval' ? [event.loss] : []))
    expect(new Set(evaluations).size).toBe(1)
    const controller = new AbortController()
    await space.train(noisy, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.report.step === 3) controller.abort()
      },
    })
    const rest = await space.train(noisy, { resume: 'newest' })
    expect(rest.losses).toEqual(whole.losses.slice(3))
    const file = 'adapter_model.safetensors'
    expect(fileBytes(rest.outputDir, file).equals(fileBytes(whole.outputDir, file))).toBe(true)
  })

  test('with all weights trained: gradients pass through, and the head, which is tied, has none', async () => {
    using space = workspace({ tie_word_embeddings: true })
    const { losses } = await space.train({ adapter: 'none', neftune_noise_alpha: 1, max_steps: 10 })
    expect(losses.at(-1)).toBeLessThan(losses[0])
  })

  test('leaves nothing on the model when a pass fails', () => {
    using folder = temporaryFolder()
    writeTinyModel(join(folder.path, 'model'))
    using model = loadModel(join(folder.path, 'model'), { device: cpu })
    const ids = Int32Array.of(1, 2, 3)
    const logits = (): Float32Array => {
      using _scope = tensorScope()
      return noGrad(() =>
        headLogits(model.head, model.hidden(createBatch({ ids, offsets: [0, 3] }, cpu))),
      ).toArray()
    }
    const before = logits()
    expect(() =>
      withEmbeddingNoise({ alpha: 5, rowLength: null }, model, { offsets: Int32Array.of(0, 3) }, () => {
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(logits()).toEqual(before)
  })
})
