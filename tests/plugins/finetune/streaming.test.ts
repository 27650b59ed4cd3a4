/**
 * `streaming: true`: a shuffled mixture that is read while the run goes on, stopped in the middle and resumed, gives the bits of a run that
 * was not stopped; and what cannot be streamed is said.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { finetuneConfig } from '../../../plugins/finetune/mod.ts'
import { type FakeFile, fakeHub } from '../hub/_server.ts'
import { countingTexts, fileBytes, metricsOf, type Trained, type Workspace, workspace } from './_run.ts'

/** JSON Lines and Parquet of three row groups, in the shares 1 : 2. */
function mixture(space: Workspace): object {
  writeFileSync(join(space.path, 'a.jsonl'), countingTexts(14))
  const texts = Array.from({ length: 9 }, (_, i) =>
    Array.from({ length: 5 + i }, (_, j) => (i * j) % 10).join(' '),
  )
  const columnData = [{ name: 'text', data: texts, type: 'STRING' as const }]
  writeFileSync(
    join(space.path, 'b.parquet'),
    Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 3 })),
  )
  return {
    streaming: true,
    streaming_multipack_buffer_size: 5,
    max_steps: 9,
    save_strategy: undefined,
    save_steps: 2,
    datasets: [
      { path: join(space.path, 'a.jsonl'), type: 'completion', weight: 1 },
      { path: join(space.path, 'b.parquet'), type: 'completion', weight: 2 },
    ],
  }
}

async function interrupted(space: Workspace, changes: object, step: number): Promise<Trained> {
  const controller = new AbortController()
  const { result } = await space.train(
    { ...changes },
    {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.report.step === step) controller.abort()
      },
    },
  )
  expect(result).toMatchObject({ stopped: true, steps: step })
  return space.train({ ...changes }, { resume: 'newest' })
}

describe('a streamed mixture', () => {
  test.each([
    [{ sample_packing: false }, 3],
    [{ sample_packing: true }, 4],
    [{ micro_batch_size: 1 }, 8],
  ])('%j stopped after step %i goes on to the same bits', async (given, at) => {
    using space = workspace()
    const changes = { ...mixture(space), ...given }
    const whole = await space.train({ ...changes, output_dir: join(space.path, 'whole') })
    expect(whole.losses).toHaveLength(9)
    const outputDir = join(space.path, 'parts')
    const parts = await interrupted(space, { ...changes, output_dir: outputDir }, at)
    expect(parts.losses).toEqual(whole.losses.slice(at))
    expect(metricsOf(outputDir)).toEqual(metricsOf(whole.outputDir))
    for (const name of [
      'adapter_model.safetensors',
      ...readdirSync(join(outputDir, 'checkpoint-8')).map((one) => join('checkpoint-8', one)),
    ])
      expect(fileBytes(outputDir, name).equals(fileBytes(whole.outputDir, name)), name).toBe(true)
  })

  test('is another one with another seed, and refuses changed data', async () => {
    using space = workspace()
    const changes = mixture(space)
    const first = await space.train({ ...changes, output_dir: join(space.path, '1'), max_steps: 3 })
    const second = await space.train({
      ...changes,
      output_dir: join(space.path, '2'),
      max_steps: 3,
      seed: 12,
    })
    expect(first.losses).not.toEqual(second.losses)
    writeFileSync(join(space.path, 'a.jsonl'), countingTexts(15))
    const again = space.train(
      { ...changes, output_dir: join(space.path, '1'), max_steps: 3 },
      { resume: 'newest' },
    )
    expect(await again.catch((error: Error) => error.message)).toContain('data')
  })
})

test('what needs all examples is refused, each at its key', () => {
  const config = (changes: object): unknown =>
    finetuneConfig.validate({
      base_model: 'x',
      datasets: [{ path: 'a.jsonl', type: 'completion', split: 'train[:5]' }],
      learning_rate: 1e-3,
      streaming: true,
      ...changes,
    })
  expect(() =>
    config({ val_set_size: 0.1, dataset_exact_deduplication: true, dataset_near_deduplication: 0.8 }),
  ).toThrow(
    /streaming: needs max_steps[^]*val_set_size: is for[^]*deduplication: compares[^]*deduplication: compares[^]*datasets\[0\]\.split/,
  )
})

test('a dataset of the hub is trained on, and downloaded before the weights', async () => {
  using space = workspace()
  const file: FakeFile = { content: new TextEncoder().encode(countingTexts(8)) }
  using hub = fakeHub('org/talks', { 'data/train-00000-of-00001.jsonl': file }, { kind: 'datasets' })
  const before = { ...process.env }
  Object.assign(process.env, {
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_CACHE: join(space.path, 'cache'),
    HF_HUB_OFFLINE: '0',
  })
  try {
    const local = await space.train({
      output_dir: join(space.path, 'local'),
      datasets: [{ path: 'x', data_files: [write(space, 'talks.jsonl')], type: 'completion' }],
    })
    const changes = {
      datasets: [{ path: 'org/talks', type: 'completion' }],
      output_dir: join(space.path, 'hub'),
    }
    expect((await space.train(changes)).losses).toEqual(local.losses)
    const wrong = { ...changes, datasets: [{ path: 'org/talks', split: 'dev', type: 'completion' }] }
    expect(await failing(() => space.train(wrong))).toContain(
      'datasets[0].path: org/talks: the dataset has no split "dev", only train',
    )
  } finally {
    for (const name of ['HF_ENDPOINT', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE'])
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
  }
})

function write(space: Workspace, name: string): string {
  const path = join(space.path, name)
  writeFileSync(path, countingTexts(8))
  return path
}

function failing(work: () => Promise<unknown>): Promise<string> {
  return work().then(
    () => 'nothing failed',
    (error: unknown) => String(error),
  )
}
