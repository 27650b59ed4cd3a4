/**
 * `optimizer: paged_…`: the state lies in a file, and the bits of the run are those without.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openPagedMemory } from '../../../core/files/paged-memory.ts'
import { adamw, type GradientTransform, parameter, tensor, tensorScope } from '../../../core/mod.ts'
import { canMapFiles } from '../../../core/native/map-file.ts'
import { estimateMemory, prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { pagedState } from '../../../plugins/finetune/memory/paged-state.ts'
import { lion } from '../../../plugins/optim/mod.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { temporaryFolder } from '../../_golden.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { type Changes, cpu, fileBytes, tinyRun, workspace } from './_run.ts'

const BIG = { hidden_size: 128, intermediate_size: 1024, num_hidden_layers: 2 }

describe.if(canMapFiles())('a paged optimizer', () => {
  test.each<[string, string, Changes]>([
    ['paged_adamw_32bit', 'adamw', { bf16: true }],
    ['paged_adamw_8bit', 'adamw_8bit', { bf16: true }],
    ['paged_lion_32bit', 'lion', {}],
    ['paged_lion_8bit', 'lion_8bit', { bf16: true }],
  ])(
    '%s: the bits of %s, and a checkpoint of one goes on in the other',
    async (paged, plain, changes) => {
      using space = workspace(BIG)
      const few = { micro_batch_size: 1, gradient_accumulation_steps: 1, max_steps: 2, save_steps: 1 }
      const keys = { adapter: 'none', save_strategy: undefined, ...few, ...changes }
      const whole = await space.train({ ...keys, optimizer: plain, output_dir: join(space.path, 'plain') })
      const parts = { ...keys, output_dir: join(space.path, 'paged') }
      const stop = new AbortController()
      const first = await space.train(
        { ...parts, optimizer: paged },
        { signal: stop.signal, onEvent: (event) => event.type === 'save' && stop.abort() },
      )
      expect(first.losses).toEqual(whole.losses.slice(0, 1))
      const rest = await space.train({ ...parts, optimizer: plain }, { resume: 'newest' })
      expect(rest.losses).toEqual(whole.losses.slice(1))
      const again = await space.train(
        { ...keys, optimizer: paged, output_dir: join(space.path, 'again') },
        {},
      )
      const file = 'model.safetensors'
      for (const { outputDir } of [rest, again])
        expect(fileBytes(outputDir, file).equals(fileBytes(whole.outputDir, file))).toBe(true)
      if (process.platform !== 'win32') expect(readdirSync(space.path).join()).not.toContain('scratch')
    },
    30_000,
  )

  test.each<[string, (decays: (name: string) => boolean) => GradientTransform]>([
    ['AdamW', (decays) => adamw({ weightDecay: 0.1, decays })],
    ['AdamW, 8 bits', (decays) => adamw({ weightDecay: 0.1, decays, states: '8bit' })],
    ['Lion', (decays) => lion({ weightDecay: 0.1, decays })],
  ])('goes through the parameters in groups: %s', (_, make) => {
    const trained = (group?: number): { weights: number[][]; paged: number; resident: number } => {
      using folder = temporaryFolder()
      using pages = openPagedMemory(join(folder.path, 'pages'), '')
      using _scope = tensorScope()
      const sizes = [40_000, 300, 130_000, 50_000]
      const parameters = new Map(
        sizes.map((size, k) => {
          const value = (i: number): number => Math.sin(i * (k + 1))
          const made = parameter(
            tensor(
              Float32Array.from({ length: size }, (__, i) => value(i)),
              { device: cpu },
            ),
          )
          made.grad = tensor(
            Float32Array.from({ length: size }, (__, i) => value(i + 7)),
            { device: cpu },
          )
          return [`w${k}`, made] as const
        }),
      )
      const link = make((name) => name !== 'w1')
      const paged = group !== undefined && pages ? pagedState(link, pages, { group }) : null
      using state = (paged?.transform ?? link).init(parameters)
      for (let step = 1; step <= 3; step++)
        state.apply({ step, learningRate: 0.01, gradScale: 0.5, metrics: {} })
      expect([...state.tensors().keys()].toSorted()).toEqual([...namesOf(link, parameters)].toSorted())
      return {
        weights: [...parameters.values()].map((weight) => [...weight.toArray()]),
        paged: paged?.bytes ?? 0,
        resident: paged?.resident ?? 0,
      }
    }
    const plain = trained()
    const paged = trained(300_000)
    expect(paged.weights).toEqual(plain.weights)
    expect(paged.resident).toBeGreaterThan(0)
    expect(paged.resident).toBeLessThan(paged.paged === paged.resident ? Infinity : paged.paged)
  })

  test('the estimate leaves out what lies in the file', async () => {
    using space = workspace(BIG)
    const optimizerBytes = async (optimizer: string): Promise<number> => {
      using run = await prepareRun(space.config({ adapter: 'none', optimizer }), { device: cpu })
      const { paged } = run
      expect((paged?.bytes ?? 0) > 0).toBe(optimizer.startsWith('paged'))
      expect(summarize(run).join('\n').includes('optimizer  adamw, paged: ')).toBe(paged !== null)
      // One group holds all of so small a model.
      return estimateMemory({ ...run, paged: paged && { bytes: paged.bytes, resident: 0 } }).optimizer
    }
    expect(await optimizerBytes('paged_adamw_32bit')).toBeLessThan(0.2 * (await optimizerBytes('adamw')))
  })

  // The shell's limit on the size of a file stands for a full disk.
  test('a full disk is one clear error before the first step', async () => {
    using space = workspace(BIG)
    const keys = { ...tinyRun(space.path), adapter: 'none', optimizer: 'paged_adamw_32bit', device: 'cpu' }
    const { lora_r: _r, lora_alpha: _a, lora_target_linear: _l, ...plain } = keys
    writeFileSync(join(space.path, 'run.yaml'), JSON.stringify(plain))
    const command = `ulimit -f 512; exec "$0" scripts/finetune.ts "$1"`
    const child = Bun.spawn(['bash', '-c', command, process.execPath, join(space.path, 'run.yaml')], {
      cwd: ROOT,
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const said = await new Response(child.stderr).text()
    expect(await child.exited).toBe(1)
    expect(said).toContain('optimizer.scratch: cannot write: the file is too large for this disk')
    expect(said).toContain(
      '→ free some space, set output_dir to a folder of another disk, or optimizer: adamw',
    )
    expect(readdirSync(space.path).toSorted()).toEqual(['data.jsonl', 'model', 'run.yaml'])
  }, 60_000)
})

test('where nothing can be paged a note says so', async () => {
  using space = workspace()
  const config = space.config({ optimizer: 'paged_adamw_8bit', max_steps: 1 })
  using run = await prepareRun(config, { device: createHostlessDevice(cpu) })
  expect(run.paged).toBeNull()
  expect(summarize(run).join('\n')).toContain(
    'optimizer: adamw_8bit is not paged on hostless: its state stays on the device',
  )
  await train(run)
})

function namesOf(link: GradientTransform, parameters: Parameters<GradientTransform['init']>[0]): string[] {
  using state = link.init(parameters)
  return [...state.tensors().keys()]
}
