/** The commands that tell of a run before it starts: estimate, preview and convert-config, and the questions of init. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Preview } from '../../plugins/finetune/mod.ts'
import { askAll } from '../../scripts/init/questions.ts'
import { previewPage } from '../../scripts/preview/page.ts'
import { previewText } from '../../scripts/preview/terminal.ts'
import { createSpace } from '../stress/space.ts'
import { tritune } from './_command.ts'

const HOSTILE: Preview = {
  examples: [
    {
      file: 'a<b>.jsonl',
      line: 3,
      count: 4,
      trained: 2,
      tokens: [
        { text: '<script>alert("x")</script>', ids: [1], trained: false, special: false },
        { text: '\u001b[2J\u202e', ids: [2], trained: true, special: false },
        { text: 'né', ids: [3, 4], trained: true, special: false },
        { text: '</s>', ids: [5], trained: false, special: true },
      ],
    },
  ],
  report: {
    train: { examples: 1, tokens: 4, trainedTokens: 2, longest: 4 },
    validation: { examples: 0, tokens: 0, trainedTokens: 0, longest: 0 },
    records: 1,
    tooLong: 0,
    tooShort: 0,
    truncated: 0,
    cut: 0,
    equal: 0,
    alike: 0,
    untrained: [],
    notes: [],
  },
  notes: [],
}

describe('preview', () => {
  test('marks what is trained and what is special, and shows control characters as pictures', () => {
    const [example] = HOSTILE.examples
    expect(previewText(example, false)).toBe(
      'a<b>.jsonl:3  4 tokens, 2 of them trained\n<script>alert("x")</script>«␛[2J␦né»⟦</s>⟧\n',
    )
    const coloured = previewText(example, true)
    expect(coloured).toContain('\u001b[32mné')
    expect(coloured).not.toContain('\u001b[2J')
  })

  test('its page needs no network, and nothing of the data becomes markup', () => {
    const page = previewPage(HOSTILE, 'a & b')
    expect(page).not.toMatch(/https?:|<script|src=|@import|url\(/)
    expect(page).toContain("default-src 'none'")
    expect(page).toContain('<span class="trained" title="3 4: trained">né</span>')
    expect(page).toContain('class="special" title="5: not trained, special"')
  })

  test('of a file: examples as the run learns them', () => {
    using space = createSpace({ steps: 1 })
    const run = (...args: string[]): ReturnType<typeof tritune> => tritune(args, { cwd: space.path })
    expect(run('init', 'my.yaml', '--model', './model', '--data', 'data.jsonl').code).toBe(0)
    const { code, stdout, stderr } = run('preview', 'my.yaml', '--count', '2')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.match(/tokens, \d+ of them trained\n«/g)).toHaveLength(2)
    const lines = run('preview', 'my.yaml', '--count', '1', '--json').stdout.trim().split('\n')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0])).toMatchObject({ type: 'example', file: 'data.jsonl' })
    expect(run('preview', 'my.yaml', '--html', 'page.html').stdout).toBe('page.html\n')
    expect(readFileSync(join(space.path, 'page.html'), 'utf8')).toStartWith('<!doctype html>')
    expect(run('preview', 'my.yaml', '--count', '-1').code).toBe(2)
    expect(existsSync(join(space.path, 'outputs'))).toBe(false)
  }, 60_000)
})

test('estimate tells memory by part and time, and writes nothing', () => {
  using space = createSpace({ steps: 1 })
  const run = (...args: string[]): ReturnType<typeof tritune> => tritune(args, { cwd: space.path })
  expect(run('init', 'my.yaml', '--model', './model', '--data', 'data.jsonl').code).toBe(0)
  const { code, stdout } = run('estimate', 'my.yaml')
  expect(code).toBe(0)
  for (const part of [
    'base model',
    'adapter',
    'gradients',
    'state of the optimizer',
    'activations',
    'it fits',
  ])
    expect(stdout).toContain(part)
  expect(stdout).toMatch(/^time {7}about .+ an epoch$/m)
  const asked = run('estimate', 'my.yaml', '--vram', '1KiB', '--json')
  expect(asked.code).toBe(1)
  const found = JSON.parse(asked.stdout)
  expect(found).toMatchObject({ type: 'estimate', fits: false, budget: 1024, secondsPerEpoch: null })
  expect(run('estimate', 'my.yaml', '--vram', 'much').code).toBe(2)
  expect(run('estimate', 'my.yaml', '--set', 'lora_r=x').stderr).toContain('lora_r: expected an integer')
  expect(existsSync(join(space.path, 'outputs'))).toBe(false)
}, 60_000)

test('convert-config writes the file and tells of every key', () => {
  using space = createSpace({ steps: 1 })
  const run = (...args: string[]): ReturnType<typeof tritune> => tritune(args, { cwd: space.path })
  writeFileSync(
    join(space.path, 'theirs.yaml'),
    'model: ./model\niters: 10\nnum_layers: -1\ndata: .\nodd: 1\n',
  )
  const { code, stdout, stderr } = run('convert-config', 'theirs.yaml', '--out', 'ours.yaml')
  expect([code, stdout]).toEqual([1, 'ours.yaml\n'])
  expect(stderr).toContain('carried    iters: max_steps\n')
  expect(stderr).toContain('refused    odd: no key of mlx-lm that is known here\n')
  expect(readFileSync(join(space.path, 'ours.yaml'), 'utf8')).toContain('max_steps: 10\n')
  expect(run('convert-config', 'theirs.yaml', '--out', 'ours.yaml').stderr).toContain('exists already')
  expect(run('convert-config', 'theirs.yaml', '--from', 'axolotl').code).toBe(2)
}, 30_000)

describe('init', () => {
  test('asks four questions', async () => {
    const asked: string[] = []
    const said = ['org/name', ' ', 'qlora', './there']
    const answers = await askAll('my.yaml', (question) => {
      asked.push(question)
      return Promise.resolve(said[asked.length - 1])
    })
    expect(asked).toHaveLength(4)
    expect(asked[3]).toContain('./outputs/my')
    expect(answers).toEqual({ model: 'org/name', data: undefined, adapter: 'qlora', outputDir: './there' })
  })

  test('--yes asks none', () => {
    using space = createSpace({ steps: 1 })
    const run = (...args: string[]): ReturnType<typeof tritune> => tritune(args, { cwd: space.path })
    expect(run('init', 'my.yaml', '--yes', '--adapter', 'qlora').code).toBe(0)
    expect(readFileSync(join(space.path, 'my.yaml'), 'utf8')).toContain('\nadapter: qlora\n')
    expect(run('init', 'other.yaml', '-y', '--adapter', 'lara').code).toBe(2)
  }, 30_000)
})
