/**
 * `init` writes a file that `validate` finds right, and `validate` tells all that is wrong with one that is not.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from '../../scripts/_setup.ts'
import { SCHEMA_FILE } from '../../scripts/init/schema-line.ts'
import { createSpace, type Space } from '../stress/space.ts'
import { RUNTIMES, type Said, type TestedRuntime, tritune } from './_command.ts'

const inSpace =
  (space: Space, runtime: TestedRuntime = 'bun') =>
  (...args: string[]): Said =>
    tritune(args, { cwd: space.path, runtime })
const read = (space: Space, file: string): string => readFileSync(join(space.path, file), 'utf8')

describe.each(RUNTIMES)('init in %s', (runtime) => {
  test('writes a file that trains as it is', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space, runtime)
    const { code, stdout } = run('init', 'my.yaml', '--model', './model', '--data', 'data.jsonl')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^wrote my\.yaml\nnext:\n {2}\S.* validate my\.yaml\n/)
    expect(run('validate', 'my.yaml')).toMatchObject({ code: 0, stderr: '' })
    expect(run('finetune', 'my.yaml', '--set', 'max_steps=1').code).toBe(0)
    expect(existsSync(join(space.path, 'outputs/my/adapter_model.safetensors'))).toBe(true)
    // What the model in the folder knows, not what is usual.
    expect(parse(read(space, 'my.yaml'))).toMatchObject({
      base_model: './model',
      adapter: 'lora',
      datasets: [{ path: 'data.jsonl', type: 'completion' }],
      sequence_len: 256,
      learning_rate: 2e-4,
    })
  }, 60_000)
})

describe('init', () => {
  test('begins with a line that points at the schema that is printed, also when that was another before', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space)
    writeFileSync(join(ROOT, SCHEMA_FILE), '{}')
    expect(run('init', 'sub.yaml', '--model', './model').code).toBe(0)
    const [first] = read(space, 'sub.yaml').split('\n')
    const path = /^# yaml-language-server: \$schema=(\.\S+)$/.exec(first)?.[1] ?? ''
    expect(resolve(space.path, path)).toBe(join(ROOT, SCHEMA_FILE))
    expect(read(space, path)).toBe(run('schema').stdout)
  }, 30_000)

  test('without options takes the bundled model and texts', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space)
    expect(run('init').code).toBe(0)
    expect(parse(read(space, 'finetune.yaml'))).toMatchObject({
      base_model: expect.stringMatching(/quickstart\/model$/),
      test_datasets: [{ path: expect.stringMatching(/moby-dick\.eval\.jsonl$/), type: 'completion' }],
      output_dir: './outputs/finetune',
    })
    expect(run('validate', 'finetune.yaml').stdout).toContain('finetune.yaml is valid\n')
  }, 30_000)

  test('never overwrites', () => {
    using space = createSpace({ steps: 1 })
    writeFileSync(join(space.path, 'finetune.yaml'), 'mine: 1\n')
    expect(inSpace(space)('init')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error: finetune.yaml: the file exists already\n'),
    })
    expect(read(space, 'finetune.yaml')).toBe('mine: 1\n')
  })

  test.each([
    ['{"messages":[]}', 'chat_template'],
    ['{"conversations":[]}', 'sharegpt'],
    ['{"instruction":"a","output":"b"}', 'alpaca'],
    ['{"segments":[]}', 'input_output'],
    ['{"input_ids":[1]}', 'tokenized'],
    ['{"text":"a"}', 'completion'],
  ])('tells the type of %s', (record, type) => {
    using space = createSpace({ steps: 1 })
    writeFileSync(join(space.path, 'some data.jsonl'), `${record}\n`)
    expect(inSpace(space)('init', '--data', 'some data.jsonl').code).toBe(0)
    expect(parse(read(space, 'finetune.yaml')).datasets).toEqual([{ path: 'some data.jsonl', type }])
  })

  test('refuses what it cannot read, and writes nothing', () => {
    using space = createSpace({ steps: 1 })
    writeFileSync(join(space.path, 'odd.jsonl'), '{"a":1}\n')
    const run = inSpace(space)
    expect(run('init', '--data', 'odd.jsonl')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the first record has a\n  → name it with --type'),
    })
    expect(run('init', '--data', 'none.jsonl').code).toBe(1)
    expect(run('init', '--data', 'odd.jsonl', '--type', 'alpca')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean "alpaca"?'),
    })
    expect(run('init', '--adapter', 'dora').code).toBe(2)
    expect(existsSync(join(space.path, 'finetune.yaml'))).toBe(false)
  })

  test('quotes what YAML would read as something else', () => {
    using space = createSpace({ steps: 1 })
    for (const [i, model] of ['a: b #c', '123', 'true', '*x', '.5', 'org/name@main'].entries()) {
      expect(inSpace(space)('init', `${i}.yaml`, '--model', model).code).toBe(0)
      expect(parse(read(space, `${i}.yaml`)).base_model).toBe(model)
    }
  }, 30_000)
})

describe('validate', () => {
  test('tells every fault with its line, and as JSON', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space)
    writeFileSync(
      join(space.path, 'bad.yaml'),
      read(space, 'lora.yaml').replace('lora_r: 4', 'lora_r: 0').replace('data.jsonl', 'none.jsonl') +
        'foo: 1\n',
    )
    const people = run('validate', 'bad.yaml')
    expect(people).toMatchObject({ code: 1, stdout: '' })
    expect(people.stderr.match(/bad\.yaml:\d+:\d+/g)).toHaveLength(3)
    const { code, stdout } = run('validate', 'bad.yaml', '--json')
    expect(code).toBe(1)
    const { faults } = JSON.parse(stdout)
    expect(faults.map(({ key, where }: Record<string, string>) => [key, where])).toEqual([
      ['datasets[0].path', 'bad.yaml:3:5'],
      ['lora_r', expect.stringMatching(/^bad\.yaml:\d+:1$/)],
      ['foo', expect.stringMatching(/^bad\.yaml:\d+:1$/)],
    ])
  }, 30_000)

  test('looks at the model and at every record, but not at the numbers of the weights', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space)
    const weights = join(space.path, 'model/model.safetensors')
    const file = readFileSync(weights)
    writeFileSync(weights, file.fill(0xff, 8 + Number(file.readBigUInt64LE())))
    expect(JSON.parse(run('validate', 'lora.yaml', '--json').stdout)).toMatchObject({
      type: 'valid',
      file: 'lora.yaml',
      data: { train: { examples: 12 }, validation: { examples: 3 } },
      totalSteps: 1,
    })
    expect(run('validate', 'lora.yaml', '--set', 'sequence_len=4096').stderr).toContain(
      'sequence_len 4096 is longer than the 256 tokens that the model knows',
    )
    writeFileSync(weights, 'no weights at all')
    expect(run('validate', 'lora.yaml').stderr).toContain('model.safetensors: the header claims')
    writeFileSync(join(space.path, 'data.jsonl'), '{"text":"1 2 3"}\n{"text":5}\n')
    expect(run('validate', 'lora.yaml')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('data.jsonl:2'),
    })
    expect(run('validate', 'lora.yaml', '--config-only')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the base model and the data were not looked at'),
    })
  }, 60_000)

  test('tells an earlier run in output_dir', () => {
    using space = createSpace({ steps: 1 })
    const run = inSpace(space)
    expect(run('finetune', 'lora.yaml', '--set', 'output_dir=./out').code).toBe(0)
    expect(run('validate', 'lora.yaml', '--set', 'output_dir=./out')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('./out has a finished run: --overwrite trains it again'),
    })
  }, 30_000)
})
