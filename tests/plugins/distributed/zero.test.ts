/**
 * `zero_stage: 1` through the command: the weights, losses and checkpoints of runs whose optimizer is not divided, to the bit; checkpoints that go on with any number of
 * processes; what fails is told once.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { finetuneProgram, nanGradient } from './_finetune.ts'
import { distLibrary, INSTALLED, type Job, type Mpi, runJob } from './_mpi.ts'

const MINUTE = 60_000

let library = ''
// Large enough for more than one stretch of 32768 elements a process.
const folder = workspace({ hidden_size: 128, intermediate_size: 256 })
const yaml = join(folder.path, 'run.yaml')
const { lora_r: _r, lora_alpha: _alpha, ...plain } = tinyRun(folder.path)
writeFileSync(
  yaml,
  JSON.stringify({
    ...plain,
    adapter: 'none',
    micro_batch_size: 1,
    gradient_accumulation_steps: 2,
    learning_rate: 1e-3,
    save_strategy: 'steps',
    save_steps: 2,
    max_steps: 3,
    device: 'cpu',
  }),
)
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

const pathOf = (...names: readonly string[]): string => join(folder.path, ...names)

function run(mpi: Mpi, processes: number, output: string, settings: readonly string[]): Promise<Job> {
  return runJob(mpi, [[processes, finetuneProgram(yaml, pathOf(output), settings)]], { library })
}

interface Case {
  readonly what: string
  readonly processes: number
  readonly settings: readonly string[]
  /** What the summary says. */
  readonly says: string
  /** With the MPI that is there first only. */
  readonly once?: boolean
}

const LORA = ['adapter=lora', 'lora_r=64', 'lora_dropout=0.1']
const EQUAL = 'stage 1, the state of the optimizer in equal parts'
const CASES: readonly Case[] = [
  {
    what: 'eight bits and bf16',
    processes: 2,
    settings: ['optimizer=adamw_8bit', 'bf16=true', 'max_grad_norm=0.5'],
    says: EQUAL,
  },
  {
    what: 'an adapter on four processes',
    processes: 4,
    settings: ['gradient_accumulation_steps=1', 'optimizer=lion', ...LORA],
    says: EQUAL,
    once: true,
  },
  {
    what: 'an optimizer of whole matrices after a transform',
    processes: 2,
    settings: [...LORA, 'optimizer=soap', 'transforms=[{"name":"clip","max_norm":0.4}]'],
    says: 'stage 1, the state of the optimizer in whole tensors',
    once: true,
  },
]

for (const [index, mpi] of INSTALLED.entries()) {
  describe(mpi.name, () => {
    const name = (what: string): string => `${what.replaceAll(/\W/g, '-')}-${mpi.name.replace(' ', '')}`

    test.each(CASES.filter(({ once }) => index === 0 || !once))(
      '$what: the bits of a run that is not divided, in its checkpoint too',
      async ({ what, processes, settings, says }) => {
        const [all, parts] = [name(`all ${what}`), name(`parts ${what}`)]
        const whole = await run(mpi, processes, all, settings)
        expect([whole.code, whole.output]).toEqual([0, expect.not.stringContaining('stage 1')])
        const divided = await run(mpi, processes, parts, [...settings, 'zero_stage=1'])
        expect([divided.code, divided.output]).toEqual([0, expect.stringContaining(says)])
        expect(metricsOf(pathOf(parts))).toEqual(metricsOf(pathOf(all)))
        const weights = settings.includes('adapter=lora') ? 'adapter_model.safetensors' : 'model.safetensors'
        for (const file of [weights, `checkpoint-2/${weights}`, 'checkpoint-2/state.safetensors'])
          expect(readFileSync(pathOf(parts, file)).equals(readFileSync(pathOf(all, file)))).toBe(true)
      },
      MINUTE,
    )

    if (index > 0) return
    test(
      'a checkpoint goes on with as many processes to the same bits, and with any number to the same losses',
      async () => {
        const all = name('all eight bits and bf16')
        const from = [
          'optimizer=adamw_8bit',
          'bf16=true',
          'max_grad_norm=0.5',
          `resume_from_checkpoint=${pathOf(name('parts eight bits and bf16'), 'checkpoint-2')}`,
        ]
        const again = await run(mpi, 2, name('again'), [...from, 'zero_stage=1'])
        expect([again.code, again.output]).toEqual([0, expect.stringContaining('resumed from')])
        const model = (output: string): Buffer => readFileSync(pathOf(output, 'model.safetensors'))
        expect(model(name('again')).equals(model(all))).toBe(true)
        const expected = lossesOf(all).slice(2)
        const others: readonly (readonly [number, readonly string[]])[] = [
          [1, ['gradient_accumulation_steps=4', 'zero_stage=1']],
          [4, ['gradient_accumulation_steps=1', 'zero_stage=1']],
        ]
        for (const [i, [processes, settings]] of others.entries()) {
          const output = name(`other ${i}`)
          const { code, output: told } = await run(mpi, processes, output, [...from, ...settings])
          expect([code, told]).toEqual([0, expect.stringContaining('resumed from')])
          // bf16 shows the order of sums.
          for (const [step, loss] of lossesOf(output).entries())
            expect(Math.abs(loss / expected[step] - 1)).toBeLessThan(5e-3)
          if (processes === 1) expect(told).toContain('zero_stage: 1 divides nothing: there is one process')
        }
      },
      MINUTE,
    )

    test(
      'a checkpoint of an optimizer that counts steps by parameter goes on to the same bits, in one process too',
      async () => {
        const from = [...LORA, 'optimizer=soap', 'transforms=[{"name":"clip","max_norm":0.4}]']
        const all = name('all an optimizer of whole matrices after a transform')
        const parts = name('parts an optimizer of whole matrices after a transform')
        const told = (output: string): unknown =>
          Reflect.get(
            JSON.parse(readFileSync(pathOf(output, 'checkpoint-2/training_state.json'), 'utf8')),
            'parts',
          )
        expect(told(parts)).toEqual(told(all))
        const resumed = [...from, `resume_from_checkpoint=${pathOf(parts, 'checkpoint-2')}`]
        const again = await run(mpi, 2, name('soap again'), [...resumed, 'zero_stage=1'])
        expect([again.code, again.output]).toEqual([0, expect.stringContaining('resumed from')])
        const adapter = (output: string): Buffer => readFileSync(pathOf(output, 'adapter_model.safetensors'))
        expect(adapter(name('soap again')).equals(adapter(all))).toBe(true)
        const alone = await run(mpi, 1, name('soap alone'), [...resumed, 'gradient_accumulation_steps=4'])
        expect([alone.code, alone.output]).toEqual([0, expect.stringContaining('resumed from')])
      },
      MINUTE,
    )

    test(
      'a gradient that is NaN on one process is told once, and nothing is written',
      async () => {
        const output = name('nan')
        const plugin = pathOf('nan.ts')
        writeFileSync(plugin, nanGradient())
        const { code, output: told } = await run(mpi, 2, output, [
          'zero_stage=1',
          `plugins=[${JSON.stringify(plugin)}]`,
          'objective=nan_on_second',
        ])
        expect(told).toContain('error: training stopped: the gradient norm of step 1 is NaN')
        expect(told.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
        expect(existsSync(pathOf(output, 'model.safetensors'))).toBe(false)
      },
      MINUTE,
    )
  })
}

function lossesOf(output: string): number[] {
  return metricsOf(pathOf(output)).map((line) => Number(Reflect.get(Object(line), 'loss')))
}
