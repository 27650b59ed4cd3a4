/**
 * `learning_rate: auto` on several processes: the branches are steps of all, so all find the rate that one process finds, and a run that goes on keeps it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tinyRun, workspace } from '../finetune/_run.ts'
import { finetuneProgram } from './_finetune.ts'
import { distLibrary, INSTALLED, type Job, runJob } from './_mpi.ts'

const MINUTE = 60_000

let library = ''
const folder = workspace()
const yaml = join(folder.path, 'run.yaml')
const data = join(folder.path, 'many.jsonl')
const textOf = (i: number): string =>
  Array.from({ length: 6 + (i % 5) }, (_, k) => (i * 7 + 3 * k) % 10).join(' ')
writeFileSync(data, Array.from({ length: 112 }, (_, i) => JSON.stringify({ text: textOf(i) })).join('\n'))
// JSON is YAML.
writeFileSync(
  yaml,
  JSON.stringify({
    ...tinyRun(folder.path),
    datasets: [{ path: data, type: 'completion' }],
    learning_rate: 'auto',
    max_steps: 180,
    micro_batch_size: 4,
    gradient_accumulation_steps: 2,
    save_strategy: 'steps',
    save_steps: 170,
    device: 'cpu',
  }),
)
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

interface Found {
  readonly rate: number
  readonly trials: readonly { readonly rate: number; readonly steps: number; readonly loss: number | null }[]
}

function found(output: string): Found {
  const { config } = JSON.parse(readFileSync(join(folder.path, output, 'run.json'), 'utf8'))
  return config.tunedRate
}

for (const mpi of INSTALLED) {
  describe(mpi.name, () => {
    const name = (what: string): string => `${what}-${mpi.name.replace(' ', '')}`
    const program = (output: string, ...settings: readonly string[]): string[] =>
      finetuneProgram(yaml, join(folder.path, output), settings)
    const job = (processes: number, command: string[]): Promise<Job> =>
      runJob(mpi, [[processes, command]], { library })

    test(
      'two processes find the rate of one that has the batch of both, and keep it when they go on',
      async () => {
        const [one, two] = [name('one'), name('two')]
        const alone = await job(1, program(one, 'gradient_accumulation_steps=4'))
        expect([alone.code, alone.output]).toEqual([0, expect.stringContaining('learning_rate: auto is ')])
        const both = await job(2, program(two))
        expect([both.code, both.output]).toEqual([0, expect.stringContaining('processes  2 (')])
        const [expected, got] = [found(one), found(two)]
        expect(got.rate).toBe(expected.rate)
        expect(got.trials.length).toBe(8)
        for (const [i, { rate, steps, loss }] of got.trials.entries()) {
          expect([rate, steps]).toEqual([expected.trials[i].rate, expected.trials[i].steps])
          expect(loss).toBeCloseTo(expected.trials[i].loss ?? Number.NaN, 4)
        }
        const from = `resume_from_checkpoint=${join(folder.path, two, 'checkpoint-170')}`
        const again = await job(2, program(name('again'), from))
        expect([again.code, again.output]).toEqual([
          0,
          expect.stringContaining(`learning_rate: auto is ${got.rate}: as in the checkpoint`),
        ])
      },
      2 * MINUTE,
    )

    test(
      'what is not for several processes is refused, and one process that was told a number is found',
      async () => {
        const bySpeed = await job(2, program(name('speed'), 'micro_batch_size=auto', 'max_steps=300'))
        expect(bySpeed.output).toContain('auto beside micro_batch_size: auto is for one process')
        const apart = await job(2, program(name('apart'), 'diloco={}'))
        expect(apart.output).toContain('auto does not go with diloco')
        const other = name('other')
        const mixed = await runJob(
          mpi,
          [
            [1, program(other)],
            [1, program(other, 'learning_rate=0.001')],
          ],
          { library },
        )
        expect(mixed.output).toContain(
          'error: process 1 of 2 has another learning_rate: 0.001 where process 0 has auto',
        )
        for (const { code, output } of [bySpeed, apart, mixed])
          expect([code === 0, output.match(/error: /g)?.length]).toEqual([false, 1])
      },
      2 * MINUTE,
    )
  })
}
