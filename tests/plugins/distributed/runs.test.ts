/**
 * Runs of several processes through the command: the same losses and the same adapter as one process, whoever differs or fails ends all
 * with one message, and what was saved goes on.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { readFloats, relativeRms } from '../../_golden.ts'
import { metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { finetuneProgram, NAN_ON_SECOND } from './_finetune.ts'
import { distLibrary, INSTALLED, type Job, type Mpi, type Programs, runJob, secondOf } from './_mpi.ts'

const MINUTE = 60_000

let library = ''
const folder = workspace()
const yaml = join(folder.path, 'run.yaml')
// JSON is YAML.
writeFileSync(
  yaml,
  JSON.stringify({
    ...tinyRun(folder.path),
    micro_batch_size: 1,
    gradient_accumulation_steps: 1,
    lora_dropout: 0.1,
    device: 'cpu',
  }),
)
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

function finetune(output: string, ...settings: readonly string[]): string[] {
  return finetuneProgram(yaml, join(folder.path, output), settings)
}

function job(mpi: Mpi, programs: Programs, onOutput?: (output: string) => void): Promise<Job> {
  return runJob(mpi, programs, { library, ...(onOutput && { onOutput }) })
}

function losses(output: string): number[] {
  return metricsOf(join(folder.path, output)).map((line) =>
    Number(Reflect.get(Object(line), 'loss') ?? Reflect.get(Object(line), 'eval_loss')),
  )
}

function adapter(output: string): Map<string, Float32Array> {
  const file = openCheckpoint(join(folder.path, output, 'adapter_model.safetensors'))
  return new Map([...file.entries.keys()].map((name) => [name, readFloats(file, name)]))
}

/** The largest difference of one weight, relative to its tensor. */
function adapterError(one: string, other: string): number {
  const expected = adapter(one)
  return Math.max(...[...adapter(other)].map(([name, got]) => relativeRms(got, expected.get(name) ?? [])))
}

for (const mpi of INSTALLED) {
  describe(mpi.name, () => {
    const name = (what: string): string => `${what}-${mpi.name.replace(' ', '')}`

    test(
      'two and four processes with a share of the batch each are one process with all of it',
      async () => {
        const one = name('one')
        const alone = await job(mpi, [
          [1, finetune(one, 'gradient_accumulation_steps=4', 'eval_steps=3', 'val_set_size=3')],
        ])
        expect([alone.code, alone.output]).toEqual([0, expect.stringContaining('processes  1 (')])
        for (const processes of [2, 4]) {
          const many = name(`${processes}`)
          const each = `gradient_accumulation_steps=${4 / processes}`
          const { code, output } = await job(mpi, [
            [processes, finetune(many, each, 'eval_steps=3', 'val_set_size=3')],
          ])
          expect([code, output]).toEqual([0, expect.stringContaining(`processes  ${processes} (`)])
          const expected = losses(one)
          expect(expected.length).toBeGreaterThan(6)
          for (const [i, loss] of losses(many).entries())
            expect(Math.abs(loss - expected[i]) / expected[i]).toBeLessThan(1e-6)
          expect(adapterError(one, many)).toBeLessThan(1e-5)
        }
      },
      MINUTE,
    )

    test(
      'a process with another setting is refused before the first step',
      async () => {
        const output = name('other')
        const { code, output: told } = await job(mpi, [
          [1, finetune(output)],
          [1, finetune(output, 'weight_decay=0.3')],
        ])
        expect(told).toContain('error: process 1 of 2 has another weight_decay: 0.3 where process 0 has ')
        expect(told.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
        expect(existsSync(join(folder.path, output))).toBe(false)
      },
      MINUTE,
    )

    test(
      'a process that leaves to the machine what the others were told is refused',
      async () => {
        const output = name('other-auto')
        const { code, output: told } = await job(mpi, [
          [1, finetune(output)],
          [1, finetune(output, 'micro_batch_size=auto')],
        ])
        expect(told).toContain(
          'error: process 1 of 2 has another micro_batch_size: auto where process 0 has 1',
        )
        expect(told.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )

    test(
      'a process with other data is refused, one that cannot read its file tells it for all',
      async () => {
        const output = name('data')
        const data = join(folder.path, 'other.jsonl')
        writeFileSync(data, readFileSync(join(folder.path, 'data.jsonl'), 'utf8').replace('0 1', '5 5'))
        const set = `datasets=[{"path":${JSON.stringify(data)},"type":"completion"}]`
        const other = await job(mpi, [
          [1, finetune(output)],
          [1, finetune(output, set)],
        ])
        expect(other.output).toContain('error: process 1 of 2 has another ')
        const none = await job(mpi, [
          [1, finetune(output)],
          [1, finetune(output, 'base_model=./not-there')],
        ])
        expect(none.output).toMatch(/\[process 1 of 2 on \S+\] error: .*not-there/)
        expect(none.output.match(/error: /g)).toHaveLength(1)
        expect(none.code).not.toBe(0)
      },
      MINUTE,
    )

    test(
      'a killed process ends the job, and the run goes on from its checkpoint to the same losses',
      async () => {
        const output = name('killed')
        const settings = ['max_steps=30', 'save_steps=2', 'save_strategy=steps', 'logging_steps=1']
        // One of the processes kills itself, as the system would.
        let isKilled = false
        const killed = await job(mpi, [[2, finetune(output, ...settings)]], (told) => {
          if (isKilled || !told.includes('checkpoint-2')) return
          isKilled = true
          for (const pid of secondOf(join(folder.path, output))) process.kill(pid, 'SIGKILL')
        })
        expect(isKilled).toBe(true)
        expect(killed.code).not.toBe(0)
        const more = await job(mpi, [[4, finetune(output, ...settings, '--resume')]])
        expect(more.output).toContain('gradient_accumulation_steps × processes (was 2, is 4)')
        const again = await job(mpi, [[2, finetune(output, ...settings, '--resume')]])
        expect([again.code, again.output]).toEqual([0, expect.stringContaining('resumed from')])
        const whole = name('whole')
        expect((await job(mpi, [[2, finetune(whole, ...settings)]])).code).toBe(0)
        expect(losses(output).slice(-8)).toEqual(losses(whole).slice(-8))
      },
      MINUTE,
    )

    test(
      'NaN on one process stops all, and is told by that one',
      async () => {
        const output = name('one-nan')
        const plugin = join(folder.path, 'nan.ts')
        writeFileSync(plugin, NAN_ON_SECOND)
        const set = [`plugins=[${JSON.stringify(plugin)}]`, 'objective=nan_on_second']
        const { code, output: told } = await job(mpi, [[2, finetune(output, ...set)]])
        expect(told).toMatch(/\[process 1 of 2 on \S+\] error: training stopped: the loss of step 1 is NaN/)
        expect(told.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )

    test(
      'a strategy that goes on from NaN of one process does so on all',
      async () => {
        const output = name('goes-on')
        const plugin = join(folder.path, 'nan-once.ts')
        writeFileSync(
          plugin,
          NAN_ON_SECOND.replace("rank === '1' ?", "rank === '1' && ++calls === 3 ?").replace(
            'const nan =',
            'let calls = 0\nconst nan =',
          ),
        )
        const { code, output: told } = await job(mpi, [
          [
            2,
            finetune(
              output,
              `plugins=[${JSON.stringify(plugin)}]`,
              'objective=nan_on_second',
              'strategy=[{"name":"hybrid","arm":"none"}]',
              'max_steps=4',
              'ddp_timeout=20',
            ),
          ],
        ])
        expect([code, told]).toEqual([0, expect.not.stringContaining('error: ')])
        expect(metricsOf(join(folder.path, output))).toContainEqual(
          expect.objectContaining({ step: 3, hybrid_rolled_back: 1, hybrid_rate_factor: 0.5 }),
        )
      },
      MINUTE,
    )

    test(
      'losses of single examples are found in parts, and all judge a guess by all of them',
      async () => {
        const eager = '{"name":"hybrid","warmup":3,"every":1,"exploration":1}'
        const set = ['max_steps=24', `strategy=[${eager}]`]
        const [one, two] = [name('each-one'), name('each-two')]
        const alone = await job(mpi, [[1, finetune(one, 'gradient_accumulation_steps=4', ...set)]])
        const both = await job(mpi, [[2, finetune(two, 'gradient_accumulation_steps=2', ...set)]])
        for (const { code, output } of [alone, both])
          expect([code, output]).toEqual([0, expect.not.stringContaining('error: ')])
        const judged = (output: string): unknown[] =>
          metricsOf(join(folder.path, output)).map((line) => Reflect.get(Object(line), 'hybrid_accepted'))
        expect(judged(one).filter((value) => value !== undefined).length).toBeGreaterThan(2)
        expect(judged(two)).toEqual(judged(one))
        for (const [i, loss] of losses(two).entries())
          expect(Math.abs(loss - losses(one)[i]) / losses(one)[i]).toBeLessThan(1e-5)
      },
      MINUTE,
    )

    test(
      'NaN on all processes is told once',
      async () => {
        const output = name('nan')
        const { code, output: told } = await job(mpi, [
          [2, finetune(output, 'learning_rate=1e30', 'warmup_steps=0', 'max_grad_norm=0')],
        ])
        expect(told).toMatch(/error: training stopped: /)
        expect(told.match(/error: /g)).toHaveLength(1)
        expect(code).not.toBe(0)
      },
      MINUTE,
    )
  })
}
