/** A run that is rehearsed on shapes takes what the real one takes; `micro_batch_size: auto` follows from it. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Device } from '../../../core/mod.ts'
import {
  estimateConfig,
  estimateMemory,
  finetuneConfig,
  formatBytes,
  prepareRun,
  type Rehearsal,
  rehearseRun,
  summarize,
  train,
} from '../../../plugins/finetune/mod.ts'
import { sizeClassPool } from '../../../plugins/finetune/memory/size-class-pool.ts'
import { emptyPool } from '../../_memory.ts'
import { type Changes, cpu, workspace } from './_run.ts'

const WIDE = { hidden_size: 64, intermediate_size: 160, vocab_size: 512 }
const CPU = { kind: 'cpu', name: 'cpu' } as const

describe('tensors of the real step and of the rehearsed one', () => {
  const cases: readonly Changes[] = [
    {},
    { gradient_checkpointing: true },
    { memory: 'lean', bf16: true },
    { adapter: 'none' },
    { adapter: 'none', optimizer: 'adamw_8bit', gradient_checkpointing: true },
    { adapter: 'qlora', bf16: true },
    { load_in_8bit: true },
    { adapter: 'dora' },
    { optimizer: 'muon', adapter: 'none' },
    { lora_dropout: 0.1, peft_init_lora_weights: 'pissa' },
    { gradient_checkpointing: true, activation_offloading: true },
  ]
  test.each(cases)('%o', async (changes) => {
    using space = workspace(WIDE)
    const keys = {
      memory: 'fast',
      max_steps: 2,
      gradient_accumulation_steps: 1,
      micro_batch_size: 4,
      ...changes,
    }
    const config = space.config(keys)
    const { memory, parts } = await rehearseRun(config, { device: CPU })
    emptyPool()
    const before = cpu.memory().live
    using run = await prepareRun(config, { device: cpu })
    cpu.resetPeak()
    await train(run)
    const mapped = [...run.model.weights.values()].reduce(
      (sum, { storage, bytes }) => sum + (storage.bytes > 2 * bytes ? bytes : 0),
      0,
    )
    const [real, said] = [cpu.memory().peak - before + mapped, memory - parts.program]
    const told = `${formatBytes(said)} estimated, ${formatBytes(real)} taken`
    // What is kept for reuse is part of the estimate, and no step is repeated here.
    expect(said / real, told).toBeGreaterThan(0.9)
    expect(said / real, told).toBeLessThan(1.45)
  })
})

test('the pool counts as that of the library', () => {
  const pool = sizeClassPool()
  const sizes = [1, 64, 65, 512, 513, 1000, 4096, 5000, 1 << 20, (1 << 20) + 1, 3_000_000]
  emptyPool()
  const before = cpu.memory().live
  const blocks: Disposable[] = []
  for (const bytes of sizes) {
    const real = cpu.allocate(bytes)
    blocks.push({ [Symbol.dispose]: () => real.free() })
    pool.take(bytes)
  }
  const taken = cpu.memory().live - before
  for (const block of blocks) block[Symbol.dispose]()
  expect(taken).toBe(pool.report().live)
})

describe('micro_batch_size: auto', () => {
  const of = (capacity: number): Device => ({ ...cpu, capacity })
  const AUTO = { micro_batch_size: 'auto', gradient_accumulation_steps: 6 }

  test('is the largest that fits, and a step keeps its documents', async () => {
    using space = workspace(WIDE)
    const config = space.config(AUTO)
    const sizeOf = async (capacity: number): Promise<readonly number[]> => {
      using run = await prepareRun(config, { device: of(capacity) })
      expect(run.notes.join('\n')).toContain(`micro_batch_size: auto is ${run.config.micro_batch_size} ×`)
      return [run.config.micro_batch_size, run.config.gradient_accumulation_steps, run.plan.totalSteps]
    }
    const needed = async (size: number): Promise<Rehearsal> =>
      await rehearseRun(
        { ...config, micro_batch_size: size, gradient_accumulation_steps: 6 / size },
        { device: CPU },
      )
    const [all, part] = [await needed(6), await needed(2)]
    expect(all.parts.activations).toBeGreaterThan(part.parts.activations)
    const plenty = await sizeOf(64 * 2 ** 30)
    expect(plenty.slice(0, 2)).toEqual([6, 1])
    // The process of the tests, which counts, is of any size.
    expect((await sizeOf(1.3 * part.memory)).slice(2)).toEqual(plenty.slice(2))
  })

  test('says what to do where nothing fits, before anything is written', async () => {
    using space = workspace()
    const refused = prepareRun(space.config(AUTO), { device: of(1000) })
    expect(refused).rejects.toThrow('a micro-batch of 1 takes about')
    await refused.catch(() => null)
    expect(await Bun.file(join(space.path, 'out', 'metrics.jsonl')).exists()).toBe(false)
  })

  test('goes on with the batches of the checkpoint', async () => {
    using space = workspace()
    const saving = { save_strategy: undefined, save_steps: 2, max_steps: 4 }
    await space.train({ ...saving, micro_batch_size: 3, gradient_accumulation_steps: 2, max_steps: 2 })
    const config = space.config({ ...saving, ...AUTO })
    using run = await prepareRun(config, { device: of(64 * 2 ** 30) })
    expect([run.config.micro_batch_size, run.config.gradient_accumulation_steps]).toEqual([3, 2])
    expect(run.notes.join('\n')).toContain('as in the checkpoint of output_dir')
  })

  test('goes with batch_size, and is nothing else', () => {
    const least = { base_model: 'm', learning_rate: 1, datasets: [{ path: 'd' }] }
    expect(finetuneConfig.validate({ ...least, micro_batch_size: 'auto', batch_size: 12 })).toMatchObject({
      autoMicroBatch: true,
      micro_batch_size: 1,
      gradient_accumulation_steps: 12,
    })
    expect(() => finetuneConfig.validate({ ...least, micro_batch_size: 'most' })).toThrow('micro_batch_size')
  })
})

test('an estimate says what would fit where the file does not', async () => {
  using space = workspace(WIDE)
  const config = space.config({ adapter: 'none', micro_batch_size: 4, memory: 'fast' })
  const whole = await estimateConfig(config, { vram: 64 * 2 ** 30 })
  expect(whole).toMatchObject({ fits: true, instead: null, secondsPerEpoch: null })
  const less = await estimateConfig(config, { vram: whole.memory - 1 })
  expect(less.fits).toBe(false)
  expect(less.instead?.change).toStartWith('micro_batch_size: 1')
  expect(less.instead?.memory).toBeLessThan(whole.memory)
  expect((await estimateConfig(config, { vram: 1000 })).instead).toBeNull()
})

describe('the summary of a run', () => {
  const cases: readonly Changes[] = [
    { sample_packing: true },
    { adapter: 'none', optimizer: 'adamw_8bit', gradient_checkpointing: true },
    { adapter: 'qlora', bf16: true },
  ]
  test.each(cases)('tells the memory that estimate tells: %o', async (changes) => {
    using space = workspace(WIDE)
    const config = space.config({ memory: 'fast', micro_batch_size: 4, ...changes })
    const { parts, tokens } = await rehearseRun(config, { device: CPU })
    using run = await prepareRun(config, { device: cpu })
    const before = cpu.memory().live
    const opened = run.rehearse()
    expect(opened?.tokens).toBe(tokens)
    // The process is not the same one.
    expect({ ...opened?.parts, program: 0 }).toEqual({ ...parts, program: 0 })
    const estimate = summarize(run).find((line) => line.startsWith('estimate'))
    expect(estimate).toContain(`activations ${formatBytes(parts.activations)}`)
    expect(cpu.memory().live).toBe(before)
  })

  test('changes nothing of the run', async () => {
    using space = workspace(WIDE)
    const quiet = await space.train({ output_dir: join(space.path, 'quiet') })
    const told: string[] = []
    const loud = await space.train(
      { output_dir: join(space.path, 'loud') },
      { onEvent: (event) => void (event.type === 'start' && told.push(...event.summary)) },
    )
    expect(told.join()).toContain('estimate')
    expect(loud.losses).toEqual(quiet.losses)
  })

  test('says where a step on shapes fails, and tells the formula', async () => {
    using space = workspace(WIDE)
    using run = await prepareRun(space.config(), { device: cpu })
    const rehearse = (): never => {
      throw new Error('no objective')
    }
    const lines = summarize({ ...run, rehearse })
    expect(lines.join('\n')).toContain('memory is estimated roughly, without a step on shapes: no objective')
    const activations = formatBytes(estimateMemory(run).activations)
    expect(lines.find((line) => line.startsWith('estimate'))).toContain(`activations ${activations}`)
  })
})
