/**
 * Whole runs on the CUDA kernels, emulated: training, resuming, generating and merging give what the CPU gives.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Device } from '../../core/mod.ts'
import { generate, openGenerator } from '../../plugins/generate/mod.ts'
import type { RunEvent } from '../../core/mod.ts'
import { prepareRun, summarize, train, trainStep } from '../../plugins/finetune/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadAdapter, mergedSources } from '../../plugins/peft/mod.ts'
import { firstDifference } from '../../testing/ops/difference.ts'
import { type Changes, cpu, fileBytes, type Workspace, workspace } from '../plugins/finetune/_run.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

const STEPS = 5
const ADAPTER = 'adapter_model.safetensors'

/** Short texts: the emulator does about a thousandth of what a CPU does. */
const SMALL: Changes = {
  max_steps: STEPS,
  micro_batch_size: 2,
  gradient_accumulation_steps: 2,
  lora_dropout: 0.1,
}

/** Tensor cores are the slowest part of the emulator. */
const BF16: Changes = { bf16: true, gradient_accumulation_steps: 1 }

interface Trained {
  readonly losses: readonly number[]
  readonly norms: readonly number[]
  readonly folder: string
}

/** `device: name` in the file, as people ask for one. */
async function runOn(name: 'cpu' | 'cuda-emulated', space: Workspace, changes: Changes): Promise<Trained> {
  const folder = join(space.path, name)
  using run = await prepareRun(space.config({ ...SMALL, ...changes, device: name, output_dir: folder }))
  expect(run.device.name).toBe(name)
  expect(summarize(run).join('\n')).toContain(`device     ${name}`)
  const events: RunEvent[] = []
  await train(run, { onEvent: (event) => events.push(event) })
  const reports = events.flatMap((event) => (event.type === 'step' ? [event.report] : []))
  return { losses: reports.map(({ loss }) => loss), norms: reports.map(({ gradNorm }) => gradNorm), folder }
}

function expectNear(got: readonly number[], expected: readonly number[], relative: number): void {
  expect(got).toHaveLength(expected.length)
  for (const [i, value] of expected.entries())
    if (!(Math.abs(got[i] - value) <= relative * Math.abs(value)))
      throw new Error(`number ${i}: got ${got[i]}, expected ${value}`)
}

/** Pieces are valid until the next one is asked for. */
function copiesOf(pieces: Iterable<Uint8Array>): Buffer[] {
  const copies: Buffer[] = []
  for (const piece of pieces) copies.push(Buffer.from(piece))
  return copies
}

/** The emulator takes its time. */
const MINUTES = 240_000

describe.if(HAS_EMULATOR)('a run on the CUDA kernels', () => {
  test.each([
    ['LoRA in f32', {}, 1e-4],
    ['LoRA in bf16 with checkpointing', { ...BF16, gradient_checkpointing: true }, 1e-2],
    ['all weights in f32', { adapter: 'none', max_steps: 3 }, 1e-4],
    [
      'all weights in bf16, 8-bit AdamW',
      { ...BF16, adapter: 'none', optimizer: 'adamw_8bit', max_steps: 2 },
      1e-2,
    ],
    ['packed documents', { sample_packing: true, sequence_len: 32 }, 1e-4],
  ] as const)(
    '%s: the losses of the CPU',
    async (_, changes, tolerance) => {
      using space = workspace()
      const here = await runOn('cpu', space, changes)
      const there = await runOn('cuda-emulated', space, changes)
      expectNear(there.losses, here.losses, tolerance)
      expectNear(there.norms, here.norms, 20 * tolerance)
      expect(new Set(here.losses).size).toBe(here.losses.length)
    },
    MINUTES,
  )

  test(
    'activations that wait in the memory of the host give the same bits',
    async () => {
      using space = workspace()
      const keys = { ...BF16, gradient_checkpointing: true, max_steps: 2 }
      const here = await runOn('cuda-emulated', space, keys)
      const away = await runOn('cuda-emulated', space, { ...keys, activation_offloading: true })
      expect(away).toEqual(here)
    },
    MINUTES,
  )

  test(
    'a checkpoint resumes to the same bits',
    async () => {
      using space = workspace()
      const config = (name: string, changes: Changes = {}): ReturnType<Workspace['config']> =>
        space.config({
          ...SMALL,
          max_steps: 4,
          device: 'cuda-emulated',
          output_dir: join(space.path, name),
          ...changes,
        })
      const saving = config('parts', { save_strategy: undefined, save_steps: 2 })
      {
        using run = await prepareRun(config('whole'))
        await train(run)
      }
      {
        const stop = new AbortController()
        using run = await prepareRun(saving)
        await train(run, { signal: stop.signal, onEvent: ({ type }) => type === 'save' && stop.abort() })
      }
      using run = await prepareRun(saving)
      const { steps } = await train(run, { resume: 'newest' })
      expect(steps).toBe(4)
      expect(fileBytes(space.path, 'parts', ADAPTER).equals(fileBytes(space.path, 'whole', ADAPTER))).toBe(
        true,
      )
    },
    MINUTES,
  )

  test(
    'after the first step no memory comes from the driver',
    async () => {
      using space = workspace()
      using run = await prepareRun(
        space.config({ ...SMALL, device: 'cuda-emulated', gradient_checkpointing: true }),
      )
      const batches = run.plan.batches(0)
      const window = [batches.get(0), batches.get(1)]
      const context = { ...run, checkpointing: true, seed: 1 }
      trainStep(context, window, { step: 0, learningRate: 1e-3 })
      const { growth } = run.device.memory()
      for (let step = 1; step < 5; step++) {
        trainStep(context, window, { step, learningRate: 1e-3 })
        expect(run.device.memory().growth).toBe(growth)
      }
    },
    MINUTES,
  )

  test(
    'what it trains, it generates with and merges as the CPU does',
    async () => {
      using space = workspace()
      const { folder } = await runOn('cuda-emulated', space, { max_steps: 2 })
      const folderOf = join(space.path, 'model')
      const on = (device: Device): { tokens: number[]; merged: Map<string, Float32Array> } => {
        using model = loadModel(folderOf, { device, dtype: 'f32' })
        using _adapter = loadAdapter(model, folder)
        const tokens = [
          ...generate(model, [5, 6, 7], { maxNewTokens: 6 }),
          ...generate(model, [5, 6, 7], {
            maxNewTokens: 6,
            temperature: 1,
            topK: 20,
            repetitionPenalty: 1.3,
            seed: 3,
          }),
        ]
        const merged = new Map<string, Float32Array>()
        for (const { name, chunks } of mergedSources(model))
          merged.set(name, new Float32Array(Uint8Array.from(Buffer.concat(copiesOf(chunks()))).buffer))
        return { tokens, merged }
      }
      const textOn = async (device: 'cpu' | 'cuda-emulated'): Promise<string> => {
        using generator = await openGenerator(folderOf, { adapter: folder, device })
        expect(generator.model.head.device.name).toBe(device)
        return [...generator.stream({ prompt: '1 2 3' }, { maxNewTokens: 4 })].join('')
      }
      expect(await textOn('cuda-emulated')).toBe(await textOn('cpu'))
      const here = on(cpu)
      const there = on(openEmulated())
      expect(there.tokens).toEqual(here.tokens)
      expect([...there.merged.keys()]).toEqual([...here.merged.keys()])
      for (const [name, values] of here.merged)
        expect([name, firstDifference(there.merged.get(name) ?? new Float32Array(), values, 1e-6)]).toEqual([
          name,
          null,
        ])
    },
    MINUTES,
  )
})
