/** The command `evaluate`: what it prints and keeps, and what it says of bad arguments before it writes anything. */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelEvaluation } from '../../plugins/evaluate/mod.ts'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { evaluationLines } from '../../scripts/evaluate/table.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { tritune } from './_command.ts'

function space(): Disposable & { readonly path: string; run(...args: string[]): ReturnType<typeof tritune> } {
  const folder = temporaryFolder()
  writeTinyModel(join(folder.path, 'model'))
  {
    using model = loadModel(join(folder.path, 'model'))
    using lora = attachLora(model, { rank: 2, alpha: 4, targetModules: ['q_proj'], seed: 1 })
    saveAdapter(join(folder.path, 'adapter'), lora, { baseModel: join(folder.path, 'model') })
  }
  const records = ['a', 'b'].map((text) =>
    JSON.stringify({ question: text, choices: ['yes', 'no'], gold: 0 }),
  )
  writeFileSync(join(folder.path, 'choice.jsonl'), records.join('\n'))
  const wide = { question: 'x', choices: ['1 '.repeat(200), 'no'], gold: 0 }
  writeFileSync(join(folder.path, 'wide.jsonl'), JSON.stringify(wide))
  writeFileSync(join(folder.path, 'text.txt'), 'A text that is measured.')
  return {
    path: folder.path,
    run: (...args) => tritune(['evaluate', ...args], { cwd: folder.path }),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

test('an adapter is measured beside its base model, and the result is kept where it is asked for', () => {
  using here = space()
  const { code, stdout, stderr } = here.run(
    'adapter',
    '--task',
    'choice.jsonl',
    '--task',
    'text.txt',
    '--save',
    '--samples',
    's.jsonl',
    '--json',
  )
  expect([code, stderr]).toEqual([0, ''])
  const told: ModelEvaluation = JSON.parse(stdout)
  expect(told).toMatchObject({
    type: 'evaluation',
    subject: { adapter: 'adapter' },
    before: { adapter: null },
    tasks: [
      { task: 'choice', kind: 'multiple_choice', items: 2, cut: 0 },
      { task: 'text', kind: 'loglikelihood_rolling', items: 1 },
    ],
  })
  // A LoRA begins as nothing.
  expect(told.tasks[0].difference?.['acc']).toMatchObject({ value: 0, verdict: 'unclear' })
  expect(JSON.parse(readFileSync(join(here.path, 'adapter/evaluation.json'), 'utf8')).tasks).toEqual(
    told.tasks,
  )
  const samples = readFileSync(join(here.path, 's.jsonl'), 'utf8').trim().split('\n')
  expect(samples).toHaveLength(2 * 3)
  expect(JSON.parse(samples[0])).toMatchObject({ task: 'choice', gold: [0] })
  expect(evaluationLines(told).join('\n')).toMatch(/acc +\d\.\d{4} \[.*\] ±\d.*→ .*unclear/)
}, 60_000)

test('where a result was kept is told, and of one context that was cut', () => {
  using here = space()
  const { code, stdout } = here.run(
    'adapter',
    '--no-before',
    '--task',
    'choice.jsonl',
    '--save',
    '--output',
    'o.json',
    '--samples',
    's.jsonl',
  )
  expect(code).toBe(0)
  const files = [join('adapter', 'evaluation.json'), 'o.json', 's.jsonl']
  expect(stdout).toEndWith(files.map((file) => `saved  ${file}\n`).join(''))
  const found: ModelEvaluation = JSON.parse(readFileSync(join(here.path, 'o.json'), 'utf8'))
  const told = (cut: number): string =>
    evaluationLines({ ...found, tasks: [{ ...found.tasks[0], cut }] }).join('\n')
  expect(told(1)).toContain('of 1 context was left out')
  expect(told(2)).toContain('of 2 contexts was left out')
}, 60_000)

test('bad arguments are told, and nothing is written', () => {
  using here = space()
  const before = readdirSync(here.path)
  const cases: [args: string[], message: RegExp][] = [
    [['model'], /--task is missing/],
    [['model', '--task', 'none.jsonl'], /none\.jsonl/],
    [['model', '--task', 'choice.jsonl', '--limit', '0'], /--limit: expected an integer from 1/],
    [['model', '--task', 'choice.jsonl', '--save', '--output', 'o.json'], /there is none/],
    [['model', '--task', 'choice.jsonl', '--adapter', 'model', '--output', 'o.json'], /no adapter here/],
    [
      ['model', '--task', 'wide.jsonl', '--output', 'o.json', '--samples', 's.jsonl'],
      /wide\.jsonl:1.*401 tokens, the model knows 256/,
    ],
    [['adapter', '--task', 'choice.jsonl', '--before', 'model', '--no-before'], /do not go together/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = here.run(...args)
    expect([args.join(' '), code > 0]).toEqual([args.join(' '), true])
    expect(stderr).toMatch(message)
  }
  expect(readdirSync(here.path)).toEqual(before)
  expect(existsSync(join(here.path, 'adapter/evaluation.json'))).toBe(false)
}, 60_000)
