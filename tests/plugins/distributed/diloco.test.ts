/**
 * Processes that make steps of their own and meet in the mean: what that is equal to, what goes into checkpoints, and who is told of what fails.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { readFloats, relativeRms } from '../../_golden.ts'
import { fileBytes, metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { distLibrary, INSTALLED, type Job, type Mpi, runJob, secondOf } from './_mpi.ts'

const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const MINUTE = 60_000

const folder = workspace()
let library = ''
// Texts of one length, so that the mean over processes is the mean over tokens.
writeFileSync(
  join(folder.path, 'data.jsonl'),
  Array.from(
    { length: 12 },
    (_, i) => `${JSON.stringify({ text: `${i % 10} 1 2 3 ${(7 * i) % 10}` })}\n`,
  ).join(''),
)
const yaml = join(folder.path, 'run.yaml')
const each = { micro_batch_size: 1, gradient_accumulation_steps: 1, lora_dropout: 0.1, device: 'cpu' }
writeFileSync(yaml, JSON.stringify({ ...tinyRun(folder.path), ...each }))
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

function command(output: string, ...settings: readonly string[]): string[] {
  const all = [`output_dir=${join(folder.path, output)}`, ...settings]
  return [process.execPath, FINETUNE, yaml, ...all.flatMap((set) => ['--set', set])]
}

function job(mpi: Mpi, processes: number, output: string, ...settings: readonly string[]): Promise<Job> {
  return runJob(mpi, [[processes, command(output, ...settings)]], { library })
}

function adapterBytes(output: string): Buffer {
  return fileBytes(folder.path, output, 'adapter_model.safetensors')
}

function adapter(output: string): Map<string, Float32Array> {
  const file = openCheckpoint(join(folder.path, output, 'adapter_model.safetensors'))
  return new Map([...file.entries.keys()].map((name) => [name, readFloats(file, name)]))
}

describe('one process', () => {
  test('dense and with a round each step is the run as it is, to the bit', async () => {
    const plain = await folder.train({ ...each, output_dir: join(folder.path, 'plain') })
    const diloco = { every: 1, codec: 'dense' }
    const own = await folder.train({ ...each, output_dir: join(folder.path, 'own'), diloco })
    expect(own.losses).toEqual(plain.losses)
    expect(adapterBytes('own')).toEqual(adapterBytes('plain'))
  })
  test('what the codec has not is told at its key', () => {
    expect(() => folder.config({ diloco: { codec: 'int8', ratio: 0.5 } })).toThrow(
      'diloco: int8 has no ratio',
    )
    expect(() => folder.config({ diloco: { evry: 5 } })).toThrow('evry')
    expect(() => folder.config({ diloco: { momentum: 1 } })).toThrow('diloco.momentum')
  })
})

for (const mpi of INSTALLED) {
  describe(mpi.name, () => {
    const name = (what: string): string => `${what}-${mpi.name.replace(' ', '')}`

    test(
      'dense, with a round each step and without moments: the mean of weights is the mean of gradients',
      async () => {
        const plain = [
          'optimizer=sgd',
          'max_grad_norm=0',
          'lora_dropout=0',
          'learning_rate=0.5',
          'weight_decay=0',
        ]
        const [together, own] = [name('together'), name('averaged')]
        const one = await job(mpi, 1, together, ...plain, 'gradient_accumulation_steps=2')
        expect([one.code, one.output]).toEqual([0, expect.stringContaining('processes')])
        const two = await job(mpi, 2, own, ...plain, 'diloco={"every":1,"codec":"dense"}')
        expect([two.code, two.output]).toEqual([0, expect.stringContaining('processes')])
        const expected = adapter(together)
        for (const [key, got] of adapter(own))
          expect(relativeRms(got, expected.get(key) ?? [])).toBeLessThan(1e-5)
      },
      MINUTE,
    )

    test(
      'interrupted is uninterrupted: moments and what is not sent yet are those of each process',
      async () => {
        const [whole, rest] = [name('whole'), name('rest')]
        const settings = [
          'max_steps=9',
          'save_strategy=steps',
          'save_steps=5',
          'eval_steps=6',
          'val_set_size=3',
          'diloco={"every":3,"codec":"ternary","rate":0.7,"momentum":0.9}',
        ]
        const first = await job(mpi, 2, whole, ...settings)
        expect([first.code, first.output]).toEqual([
          0,
          expect.stringContaining('checkpoints come every 6 steps, not 5'),
        ])
        const from = `resume_from_checkpoint=${join(folder.path, whole, 'checkpoint-6')}`
        const second = await job(mpi, 2, rest, ...settings, from)
        expect([second.code, second.output]).toEqual([0, expect.stringContaining('resumed from')])
        expect(adapterBytes(rest)).toEqual(adapterBytes(whole))
        expect(metricsOf(join(folder.path, rest))).toEqual(
          metricsOf(join(folder.path, whole)).slice(-metricsOf(join(folder.path, rest)).length),
        )
        const sent = readFileSync(join(folder.path, whole, 'metrics.jsonl'), 'utf8')
        expect(sent).toContain('"sent_bytes"')

        const other = await job(mpi, 1, name('refused'), ...settings, from)
        expect(other.output).toContain('the checkpoint is of 2 workers, these are 1')
        expect(other.code).not.toBe(0)
        const allowed = settings.map((set) => set.replace('"every"', '"allow_other_workers":true,"every"'))
        const three = await job(mpi, 3, name('allowed'), ...allowed, from)
        expect([three.code, three.output]).toEqual([0, expect.stringContaining('resumed from')])
      },
      2 * MINUTE,
    )

    // The other library is asked for the same bytes by the tests of collectives.
    test.skipIf(mpi !== INSTALLED[0])(
      'two hops: interrupted is uninterrupted, and above four processes they are taken',
      async () => {
        const [whole, rest] = [name('hops'), name('hops-rest')]
        const hops = 'diloco={"every":2,"codec":"int8","exchange":"two-hop"}'
        const settings = ['max_steps=5', 'save_strategy=steps', 'save_steps=2']
        const first = await job(mpi, 3, whole, ...settings, hops)
        expect([first.code, first.output]).toEqual([0, expect.stringContaining('processes')])
        const from = `resume_from_checkpoint=${join(folder.path, whole, 'checkpoint-2')}`
        const second = await job(mpi, 3, rest, ...settings, hops, from)
        expect([second.code, second.output]).toEqual([0, expect.stringContaining('resumed from')])
        expect(adapterBytes(rest)).toEqual(adapterBytes(whole))
        const five = await job(mpi, 5, name('five'), 'max_steps=2', 'diloco={"every":2,"codec":"int8"}')
        expect([five.code, five.output]).toEqual([0, expect.stringContaining('processes')])
        const last: unknown = metricsOf(join(folder.path, name('five'))).at(-1)
        const of = (key: string): number => Number(Reflect.get(Object(last), key))
        // In two hops five rows are sent and eight received, in a gather one and four.
        expect(of('received_bytes') / of('sent_bytes')).toBeCloseTo(8 / 5, 6)
      },
      2 * MINUTE,
    )

    test(
      'a process that does not answer any more is gone without, where that is asked for, and what was saved goes on',
      async () => {
        const output = name('stopped')
        const settings = ['max_steps=80', 'save_strategy=steps', 'save_steps=20', 'ddp_timeout=2']
        const diloco = (more = ''): string => `diloco={"every":2,"when_cut":"go_on"${more}}`
        let isStopped = false
        const stopped = await runJob(mpi, [[2, command(output, ...settings, diloco())]], {
          library,
          onOutput(told) {
            if (isStopped || !told.includes('checkpoint-20\n')) return
            isStopped = true
            for (const pid of secondOf(join(folder.path, output))) process.kill(pid, 'SIGSTOP')
          },
        })
        expect(stopped.output).toContain('one is late or dead; going on alone')
        expect(adapterBytes(output).length).toBeGreaterThan(0)
        const from = `resume_from_checkpoint=${join(folder.path, output, 'checkpoint-60')}`
        const both = await job(mpi, 2, name('refused'), ...settings, diloco(), from)
        expect(both.output).toContain('the checkpoint is of 1 worker, these are 2')
        const allowed = diloco(',"allow_other_workers":true')
        const again = await job(mpi, 2, name('again'), ...settings, allowed, from)
        expect([again.code, again.output]).toEqual([0, expect.stringContaining('resumed from')])
      },
      MINUTE,
    )

    test(
      'a process that fails between rounds tells it, once, and all end',
      async () => {
        const plugin = join(folder.path, 'nan.ts')
        writeFileSync(plugin, NAN_ON_SECOND)
        const set = [`plugins=[${JSON.stringify(plugin)}]`, 'strategy=nan_on_second', 'diloco={"every":4}']
        const { code, output } = await job(mpi, 2, name('nan'), ...set)
        expect(output).toMatch(/\[process 1 of 2 on \S+\] error: .*step 3 is not what it should be/)
        expect(output.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )
  })
}

/** A strategy that stops the third step of the second process. */
const NAN_ON_SECOND = `
import { definePlugin, TrituneError } from '${fileURLToPath(new URL('../../../core/mod.ts', import.meta.url))}'

const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK
const planted = {
  name: 'nan_on_second',
  options: { validate: () => ({}) },
  create: () => ({
    step({ step }, next) {
      if (rank === '1' && step === 2) throw new TrituneError('E_NAN', 'step 3 is not what it should be')
      return next()
    },
  }),
}
export const plugin = definePlugin({ name: 'nan', provides: { strategy: { nan_on_second: planted } } })
`
