/**
 * `shard_base: true` through the command: the numbers of runs whose base is whole on every process, to the bit, for every form of weights; what fails ends all.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeTinyModel } from '../../_tiny.ts'
import { metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { finetuneProgram, NAN_ON_SECOND } from './_finetune.ts'
import { distLibrary, INSTALLED, type Job, type Mpi, runJob } from './_mpi.ts'

const MINUTE = 60_000

let library = ''
const folder = workspace()
const yaml = join(folder.path, 'run.yaml')
// More blocks than are whole at a time.
writeTinyModel(join(folder.path, 'deep'), { num_hidden_layers: 4 })
writeFileSync(
  yaml,
  JSON.stringify({
    ...tinyRun(folder.path),
    base_model: join(folder.path, 'deep'),
    lora_dropout: 0.1,
    micro_batch_size: 1,
    gradient_accumulation_steps: 2,
    // Three micro-batches a step and three evaluations: of two processes one has fewer.
    val_set_size: 3,
    eval_batch_size: 1,
    eval_steps: 2,
    max_steps: 3,
    device: 'cpu',
  }),
)
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

function run(mpi: Mpi, processes: number, output: string, settings: readonly string[]): Promise<Job> {
  return runJob(mpi, [[processes, finetuneProgram(yaml, join(folder.path, output), settings)]], { library })
}

interface Case {
  readonly what: string
  readonly processes: number
  readonly settings: readonly string[]
  /** With the MPI that is there first only. */
  readonly once?: boolean
}

const CASES: readonly Case[] = [
  { what: 'nf4', processes: 2, settings: ['load_in_4bit=true', 'gradient_checkpointing=true'] },
  { what: 'int8', processes: 2, settings: ['load_in_8bit=true'], once: true },
  { what: 'bf16', processes: 4, settings: ['bf16=true', 'zero_stage=1'], once: true },
  {
    what: 'f32, and an adapter that reads the weights',
    processes: 2,
    settings: ['adapter=dora'],
    once: true,
  },
]

for (const [index, mpi] of INSTALLED.entries()) {
  describe(mpi.name, () => {
    const name = (what: string): string => `${what.replaceAll(/\W/g, '-')}-${mpi.name.replace(' ', '')}`

    test.each(CASES.filter(({ once }) => index === 0 || !once))(
      '$what: the bits of a run whose base is whole everywhere',
      async ({ what, processes, settings }) => {
        const [all, parts] = [name(`all ${what}`), name(`parts ${what}`)]
        const whole = await run(mpi, processes, all, settings)
        expect([whole.code, whole.output]).toEqual([0, expect.not.stringContaining('sharded')])
        const sharded = await run(mpi, processes, parts, [...settings, 'shard_base=true'])
        expect([sharded.code, sharded.output]).toEqual([0, expect.stringContaining('of the base in parts')])
        expect(metricsOf(join(folder.path, parts))).toEqual(metricsOf(join(folder.path, all)))
        const adapterOf = (output: string): Buffer =>
          readFileSync(join(folder.path, output, 'adapter_model.safetensors'))
        expect(adapterOf(parts).equals(adapterOf(all))).toBe(true)
      },
      MINUTE,
    )

    if (index > 0) return
    test(
      'micro_batch_size: auto is one size for all, found without the others',
      async () => {
        const { code, output } = await run(mpi, 2, name('sized'), [
          'shard_base=true',
          'zero_stage=1',
          'micro_batch_size=auto',
          'gradient_accumulation_steps=2',
          'max_steps=1',
        ])
        expect([code, output]).toEqual([0, expect.stringContaining('micro_batch_size: auto is 2 × 1')])
      },
      MINUTE,
    )

    test(
      'NaN on one process ends all, and is told by that one',
      async () => {
        const plugin = join(folder.path, 'nan.ts')
        writeFileSync(plugin, NAN_ON_SECOND)
        const { code, output } = await run(mpi, 2, name('nan'), [
          'shard_base=true',
          `plugins=[${JSON.stringify(plugin)}]`,
          'objective=nan_on_second',
        ])
        expect(output).toMatch(/\[process 1 of 2 on \S+\] error: training stopped: the loss of step 1 is NaN/)
        expect(output.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )

    test(
      'a process that fails within a pass ends the job at once',
      async () => {
        const plugin = join(folder.path, 'fail.ts')
        writeFileSync(plugin, NAN_ON_SECOND.replace('const { loss } =', FAIL))
        const { code, output } = await run(mpi, 2, name('fail'), [
          'shard_base=true',
          `plugins=[${JSON.stringify(plugin)}]`,
          'objective=nan_on_second',
        ])
        expect(output).toMatch(/\[process 1 of 2 on \S+\] error: .*nothing is right here/)
        expect(output.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )
  })
}

const FAIL = "if (rank === '1') throw new Error('nothing is right here')\n        const { loss } ="
