/**
 * `rl: grpo` on two processes: the same completions, rewards, losses and weights as on one with the same groups; who fails ends all.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { leftOut } from '../../_tools.ts'
import { readFloats, relativeRms } from '../../_golden.ts'
import { metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { distLibrary, INSTALLED, type Job, NO_MPI, runJob } from './_mpi.ts'

const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const MINUTE = 60_000

const folder = workspace()
let library = ''
const yaml = join(folder.path, 'run.yaml')
writeFileSync(
  join(folder.path, 'prompts.jsonl'),
  Array.from(
    { length: 9 },
    (_, i) => `${JSON.stringify({ prompt: `${i} plus ${i + 2} is`, number: i })}\n`,
  ).join(''),
)
writeFileSync(
  join(folder.path, 'rewards.mjs'),
  `export const even = (_, { completionIds }) => completionIds.map((ids) => ids.filter((id) => id % 2 === 0).length / ids.length)
export const broken = (texts, { step, records }) => texts.map((_, row) => (step === 1 && records[row].number % 2 === 1 ? NaN : 0.5))
`,
)
writeFileSync(
  yaml,
  JSON.stringify({
    ...tinyRun(folder.path),
    rl: 'grpo',
    rewards: join(folder.path, 'rewards.mjs'),
    trl: {
      num_generations: 4,
      max_completion_length: 6,
      reward_funcs: ['even'],
      num_iterations: 2,
      beta: 0.1,
      scale_rewards: 'batch',
    },
    datasets: [{ path: join(folder.path, 'prompts.jsonl'), type: 'prompt' }],
    val_set_size: 0,
    micro_batch_size: 4,
    max_steps: 4,
    device: 'cpu',
  }),
)
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

async function job(processes: number, output: string, ...settings: readonly string[]): Promise<Job> {
  const all = [`output_dir=${join(folder.path, output)}`, ...settings]
  const command = [process.execPath, FINETUNE, yaml, ...all.flatMap((set) => ['--set', set])]
  return await runJob(INSTALLED[0], [[processes, command]], { library })
}

function adapter(output: string): Map<string, Float32Array> {
  const file = openCheckpoint(join(folder.path, output, 'adapter_model.safetensors'))
  return new Map([...file.entries.keys()].map((name) => [name, readFloats(file, name)]))
}

function completions(output: string): unknown[] {
  const lines = readFileSync(join(folder.path, output, 'completions.jsonl'), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line): unknown => JSON.parse(line))
}

function numbers(output: string, name: string): number[] {
  return metricsOf(join(folder.path, output)).flatMap((line) => {
    const value: unknown = Reflect.get(Object(line), name)
    return typeof value === 'number' ? [value] : []
  })
}

test.skipIf(NO_MPI === null)(leftOut('grpo on two processes', NO_MPI), () => {})

const withMpi = test.skipIf(NO_MPI !== null)

withMpi(
  'two processes with half of the groups each are one with all of them',
  async () => {
    const one = await job(1, 'one', 'gradient_accumulation_steps=2')
    expect([one.code, one.output]).toEqual([0, expect.stringContaining('processes  1 (')])
    const two = await job(2, 'two', 'gradient_accumulation_steps=1')
    expect([two.code, two.output]).toEqual([0, expect.stringContaining('processes  2 (')])
    expect(completions('two').length).toBeGreaterThan(4)
    expect(completions('two')).toEqual(completions('one'))
    for (const name of ['reward', 'completions/mean_length', 'loss', 'grad_norm']) {
      const expected = numbers('one', name)
      expect(expected.length).toBeGreaterThan(1)
      for (const [i, value] of numbers('two', name).entries())
        expect([name, i, Math.abs(value - expected[i])]).toEqual([name, i, expect.closeTo(0, 5)])
    }
    const expected = adapter('one')
    for (const [name, got] of adapter('two'))
      expect(relativeRms(got, expected.get(name) ?? [])).toBeLessThan(1e-5)
  },
  MINUTE,
)

withMpi(
  'a reward at fault on one process is told by that one, and steps of fewer groups than processes are refused',
  async () => {
    const trl = { num_generations: 4, max_completion_length: 6, reward_funcs: ['broken'] }
    const broken = await job(2, 'broken', `trl=${JSON.stringify(trl)}`)
    expect(broken.output).toMatch(/error: .*broken/)
    expect(broken.output.match(/error: /g)).toHaveLength(1)
    expect(broken.code).not.toBe(0)
    const few = await job(2, 'few', 'micro_batch_size=2', 'gradient_accumulation_steps=1')
    expect(few.output).toContain('a step of 2 completions has no whole groups of 4')
    const diloco = await job(2, 'diloco', 'diloco={"every":2}')
    expect(diloco.output).toContain('rl: grpo with diloco runs on one process')
  },
  MINUTE,
)
