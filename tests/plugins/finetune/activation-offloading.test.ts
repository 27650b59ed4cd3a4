/**
 * `activation_offloading`: inputs of checkpointed blocks wait in a file, or in the memory of the host; the bits of the run stay what they are.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Device, tensor, TrituneError } from '../../../core/mod.ts'
import { estimateMemory, prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { openActivationStore } from '../../../plugins/finetune/memory/activation-offloading.ts'
import { storeInFile } from '../../../plugins/finetune/memory/store-in-file.ts'
import { storeInMemory } from '../../../plugins/finetune/memory/store-in-memory.ts'
import { temporaryFolder } from '../../_golden.ts'
import { emptyPool } from '../../_memory.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { type Changes, cpu, fileBytes, tinyRun, workspace } from './_run.ts'

const BIG = { hidden_size: 64, intermediate_size: 64, num_hidden_layers: 12 }

function refusal(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the bits of a run', () => {
  const cases: readonly [string, Changes][] = [
    ['LoRA with dropout and accumulation', { lora_dropout: 0.2 }],
    ['LoRA in bf16, lean', { bf16: true, memory: 'lean' }],
    ['packed rows', { sample_packing: true }],
    ['all weights', { adapter: 'none' }],
    ['an adapter on the head', { lora_target_linear: undefined, lora_target_modules: ['q_proj', 'lm_head'] }],
    ['key-value prefixes', { adapter: 'prefix', adapter_options: { num_virtual_tokens: 3 } }],
    ['a packed base', { quantizer: 'nf4' }],
  ]
  const devices: readonly [string, () => Device][] = [
    ['a file', () => cpu],
    ['the memory of the host', () => createHostlessDevice(cpu)],
  ]
  for (const [place, device] of devices)
    test.each(cases)(`are those without: %s, in ${place}`, async (_, changes) => {
      using space = workspace({ num_hidden_layers: 3 })
      const at = async (name: string, offloading: boolean): Promise<[number[], Buffer[]]> => {
        const outputDir = join(space.path, name)
        const config = space.config({
          gradient_checkpointing: true,
          activation_offloading: offloading,
          output_dir: outputDir,
          ...('adapter' in changes
            ? { lora_r: undefined, lora_alpha: undefined, lora_target_linear: undefined }
            : {}),
          ...changes,
        })
        using run = await prepareRun(config, { device: device() })
        const losses: number[] = []
        await train(run, {
          onEvent: (event) => void (event.type === 'step' && losses.push(event.report.loss)),
        })
        const files = readdirSync(outputDir).filter((file) => file.endsWith('.safetensors'))
        return [losses, files.map((file) => fileBytes(outputDir, file))]
      }
      const [losses, files] = await at('without', false)
      const offloaded = await at('with', true)
      expect(offloaded[0]).toEqual(losses)
      expect(files.length).toBeGreaterThan(0)
      expect(offloaded[1]).toEqual(files)
    })
})

test('they leave the memory of the device, as the estimate says', async () => {
  using space = workspace(BIG)
  const peak = async (offloading: boolean): Promise<{ taken: number; estimated: number; text: string }> => {
    const config = space.config({
      gradient_checkpointing: true,
      activation_offloading: offloading,
      micro_batch_size: 12,
      max_steps: 2,
    })
    using run = await prepareRun(config, { device: cpu })
    emptyPool()
    cpu.resetPeak()
    const before = cpu.memory().live
    await train(run)
    const taken = cpu.memory().peak - before
    const text = summarize(run).join('\n')
    return { taken, estimated: estimateMemory(run).activations, text }
  }
  const [without, away] = [await peak(false), await peak(true)]
  expect(away.taken).toBeLessThan(0.6 * without.taken)
  expect(away.estimated).toBeLessThan(0.6 * without.estimated)
  expect(away.text).toMatch(/^memory .*; .* of activations go to a file in .*out$/m)
})

describe('the store in a file', () => {
  test.skipIf(process.platform === 'win32')(
    'has no name in the folder, and gives back what was put in',
    () => {
      using folder = temporaryFolder()
      using store = storeInFile(join(folder.path, 'new/activations'))
      using first = tensor([1, 2, 3], { device: cpu })
      using second = tensor([4, -0, NaN, 7], { shape: [2, 2], dtype: 'bf16', device: cpu })
      const stored = [store.put(first), store.put(second)]
      expect(readdirSync(join(folder.path, 'new'))).toEqual([])
      using again = stored[1].take()
      expect([again.shape, again.dtype, [...again.toArray()]]).toEqual([[2, 2], 'bf16', [4, -0, NaN, 7]])
      using before = stored[0].take()
      expect([...before.toArray()]).toEqual([1, 2, 3])
      for (const one of stored) one.release()
      // The room is used again.
      const third = store.put(first)
      using last = third.take()
      expect([...last.toArray()]).toEqual([1, 2, 3])
      third.release()
    },
  )

  test('a folder that cannot be made is an error that names it', () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'file'), '')
    const { code, place } = refusal(() => storeInFile(join(folder.path, 'file/activations')))
    expect([code, place]).toEqual(['E_FILE', join(folder.path, 'file')])
  })

  test('a disk with too little room is refused before the first step', async () => {
    using space = workspace()
    const config = space.config({ gradient_checkpointing: 'offload_disk', max_steps: 1 })
    using run = await prepareRun(config, { device: cpu })
    const { model } = run
    const huge = { ...run, model: { ...model, info: { ...model.info, hiddenSize: 2 ** 50 } } }
    const { code, message } = refusal(() => openActivationStore(huge))
    expect(code).toBe('E_DISK')
    expect(message).toMatch(
      /activation_offloading takes .* of disk, and .* are free\n {2}→ .*activation_offloading_dir/,
    )
  })

  test('another folder is made, used and left empty', async () => {
    using space = workspace()
    const away = join(space.path, 'away')
    await space.train({
      gradient_checkpointing: true,
      activation_offloading: 'disk',
      activation_offloading_dir: away,
      max_steps: 1,
    })
    expect(readdirSync(away)).toEqual([])
  })

  test('what a kill left under its name goes when the next run begins', async () => {
    using space = workspace()
    const out = join(space.path, 'out')
    mkdirSync(out)
    const left = '.activations.scratch.tmp-elsewhere-12-abc'
    writeFileSync(join(out, left), 'x')
    await space.train({ max_steps: 1 })
    expect(readdirSync(out)).not.toContain(left)
  })

  // The shell's limit on the size of a file stands for a full disk.
  test.skipIf(process.platform === 'win32')(
    'a disk that gets full is one clear error, and nothing is left',
    async () => {
      using space = workspace(BIG)
      const away = join(space.path, 'away')
      const keys = {
        ...tinyRun(space.path),
        gradient_checkpointing: 'offload_disk',
        activation_offloading_dir: away,
        micro_batch_size: 12,
        device: 'cpu',
      }
      writeFileSync(join(space.path, 'run.yaml'), JSON.stringify(keys))
      const command = `ulimit -f 128; exec "$0" scripts/finetune.ts "$1"`
      const child = Bun.spawn(['bash', '-c', command, process.execPath, join(space.path, 'run.yaml')], {
        cwd: ROOT,
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const said = await new Response(child.stderr).text()
      expect(await child.exited).toBe(1)
      expect(said).toContain(
        `${join(away, 'activations.scratch')}: cannot write: the file is too large for this disk`,
      )
      expect(said).toContain('→ free some space, or name a folder of another disk: activation_offloading_dir')
      expect(said).not.toMatch(/^ +at /m)
      expect(readdirSync(away)).toEqual([])
    },
    30_000,
  )
})

test('the store in memory lets go of what is released', () => {
  using store = storeInMemory()
  using x = tensor([1, 2], { device: cpu })
  const stored = store.put(x)
  using back = stored.take()
  expect([...back.toArray()]).toEqual([1, 2])
  stored.release()
})

describe('the keys', () => {
  test.each<[Changes, boolean | 'disk']>([
    [{ gradient_checkpointing: true }, false],
    [{ gradient_checkpointing: 'offload' }, true],
    [{ gradient_checkpointing: 'offload_disk' }, 'disk'],
    [{ gradient_checkpointing: 'unsloth' }, false],
    [{ gradient_checkpointing: true, activation_offloading: true }, true],
    [{ gradient_checkpointing: true, activation_offloading: 'legacy' }, true],
    [{ gradient_checkpointing: true, activation_offloading: 'disk' }, 'disk'],
    [{ gradient_checkpointing: 'offload', activation_offloading: false }, false],
    [{ activation_offloading: false }, false],
  ])('%o', (changes, expected) => {
    using space = workspace()
    const { activation_offloading, gradient_checkpointing } = space.config(changes)
    expect(activation_offloading).toBe(expected)
    expect(gradient_checkpointing).toBe('gradient_checkpointing' in changes)
  })

  test.each<[Changes, RegExp]>([
    [{ activation_offloading: true }, /activation_offloading: needs gradient_checkpointing: true/],
    [{ activation_offloading: 'gpu', gradient_checkpointing: true }, /activation_offloading: /],
    [
      { activation_offloading_dir: '/tmp', gradient_checkpointing: true },
      /activation_offloading_dir: needs activation_offloading/,
    ],
  ])('%o is refused', (changes, message) => {
    using space = workspace()
    expect(() => space.config(changes)).toThrow(message)
  })
})
