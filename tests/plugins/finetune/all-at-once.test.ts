/**
 * All faults of a file that can be known at once are told at once, each at its line, and none that only follows from another.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  atKeyAsync,
  besideOthers,
  lockOutputDir,
  placeInConfig,
  prepareRun,
  readFinetuneConfig,
  withOtherFaults,
} from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { countingTexts, cpu } from './_run.ts'

let space: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  space = temporaryFolder()
  writeTinyModel(join(space.path, 'model'))
  writeFileSync(join(space.path, 'data.jsonl'), countingTexts(8))
})
afterEach(() => space[Symbol.dispose]())

/** One key on each line. */
function yaml(changes: Readonly<Record<string, unknown>> = {}): string {
  const keys = {
    base_model: join(space.path, 'model'),
    adapter: 'lora',
    lora_target_linear: true,
    learning_rate: 1e-3,
    sequence_len: 64,
    datasets: [{ path: join(space.path, 'data.jsonl'), type: 'completion' }],
    output_dir: join(space.path, 'out'),
    ...changes,
  }
  return Object.entries(keys)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')
}

/** As the command tells it. */
async function complaint(changes: Readonly<Record<string, unknown>>): Promise<string> {
  const text = yaml(changes)
  const read = async (): Promise<ReturnType<typeof readFinetuneConfig>> => {
    try {
      return readFinetuneConfig(text, 'f.yaml')
    } catch (error) {
      throw await withOtherFaults(error, text, 'f.yaml', {})
    }
  }
  try {
    using _run = await prepareRun(await read(), { device: cpu })
  } catch (error) {
    return String(placeInConfig(error, text, 'f.yaml')).replaceAll(space.path, '')
  }
  throw new Error('expected an error')
}

function plugin(source: string): string {
  const path = join(space.path, `plugin-${Bun.hash(source)}.ts`)
  writeFileSync(path, source)
  return path
}

const BAD_DATA = [{ path: 'nope.jsonl', type: 'bar' }]

describe('one pass', () => {
  test('tells the parts, the data and the template', async () => {
    const message = await complaint({
      optimizer: 'lion2',
      strategy: 'foo',
      datasets: BAD_DATA,
      chat_template_jinja: './nope.jinja',
      resume_from_checkpoint: './nope',
    })
    for (const said of [
      'f.yaml:8:1 optimizer: there is no optimizer "lion2"',
      'f.yaml:9:1 strategy[0]: there is no strategy "foo"',
      'f.yaml:6:13 datasets[0].path: there is no file or folder "nope.jsonl"',
      'f.yaml:6:33 datasets[0].type: there is no dataset type "bar"',
      'f.yaml:10:1 chat_template_jinja: there is no file',
      'f.yaml:11:1 resume_from_checkpoint: there is no folder ./nope\n  → name the folder of a checkpoint',
    ])
      expect(message).toContain(said)
  })

  test('tells a fault under the name that the file has', async () => {
    const message = await complaint({ quantization: 'bitnt' })
    expect(message).toMatch(/f\.yaml:\d+:1 quantization: there is no quantizer "bitnt"/)
  })

  test('tells what is wrong in the keys and what is wrong behind them', async () => {
    const message = await complaint({
      learning_rate: -1,
      optimizer: 'lion2',
      plugins: ['./nope.ts'],
      datasets: BAD_DATA,
    })
    expect(message).toContain('f.yaml:4:1 learning_rate: expected a number > 0')
    expect(message).toContain('f.yaml:9:11 plugins[0]: ./nope.ts: there is no file')
    expect(message).toContain('datasets[0].path: there is no file or folder')
    expect(message).not.toContain('lion2')
    expect(message).not.toContain('"bar"')
  })

  test('tells an unknown name where the keys are wrong and no plugin is missing', async () => {
    const message = await complaint({ learning_rate: -1, strategy: 'foo' })
    expect(message).toContain('f.yaml:4:1 learning_rate: ')
    expect(message).toContain('f.yaml:8:1 strategy[0]: there is no strategy "foo"')
  })

  test('tells a folder that cannot be had together with the rest, as the command does', async () => {
    const file = join(space.path, 'data.jsonl')
    expect(await complaint({ output_dir: file, strategy: 'foo' })).toMatch(
      /f\.yaml:7:1 output_dir: .*is a file[^]*f\.yaml:8:1 strategy\[0\]: /,
    )
    const config = readFinetuneConfig(yaml({ output_dir: join(file, 'x'), strategy: 'foo' }), 'f.yaml')
    const error = await atKeyAsync(['output_dir'], () => lockOutputDir(config.output_dir)).catch(
      async (refused: unknown) => await besideOthers(refused, config, new Set(['output_dir'])),
    )
    const message = String(error)
    expect(message.match(/output_dir: /g)).toHaveLength(1)
    expect(message).toContain('strategy[0]: there is no strategy "foo"')
  })

  test('does not judge the stand-in of a required key that is missing', async () => {
    const message = await complaint({ datasets: undefined, strategy: 'foo' })
    expect(message).toContain('strategy[0]: ')
    expect(message.match(/datasets/g)).toHaveLength(2)
    expect(message).not.toContain('"none"')
  })
})

describe('a fault stands at its line', () => {
  test.each([
    ['export const a = 1', 'f.yaml:8:11 plugins[0]: ', 'no export is a plugin; found a (number)'],
    ['const a = 1\nconst b = = 2\nfoo(]\n', 'f.yaml:8:11 plugins[0]: ', '.ts:2)'],
    ['\n\nthrow new Error("boom here")', 'f.yaml:8:11 plugins[0]: ', 'boom here (/plugin-'],
    ['\n\nthrow new Error("boom here")', 'f.yaml:8:11 plugins[0]: ', '.ts:3)'],
  ])('a plugin of %j', async (source, start, said) => {
    const message = await complaint({ plugins: [plugin(source)] })
    expect(message).toContain(start)
    expect(message).toContain(said)
    expect(message).not.toContain('errors building')
  })

  test('a folder without a checkpoint, with the one that is there', async () => {
    mkdirSync(join(space.path, 'out/checkpoint-3'), { recursive: true })
    const message = await complaint({ resume_from_checkpoint: join(space.path, 'model') })
    expect(message).toContain('f.yaml:8:1 resume_from_checkpoint: there is no checkpoint in /model')
    expect(message).toContain('→ the newest checkpoint of output_dir is /out/checkpoint-3')
  })

  test('a prepared dataset that cannot be read, with cause and remedy', async () => {
    const file = join(space.path, 'data.jsonl')
    const message = await complaint({ dataset_prepared_path: file })
    expect(message).toContain('f.yaml:8:1 dataset_prepared_path: the tokenised dataset /data.jsonl/')
    expect(message).toContain('ENOTDIR')
    expect(message).toContain('→ set dataset_prepared_path to a folder')
  })

  test('a config.json that cannot be, with its folder', async () => {
    const path = join(space.path, 'model/config.json')
    const config: object = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...config, num_hidden_layers: 1e16 }))
    expect(await complaint({})).toContain(
      'f.yaml:1:1 base_model: /model: config.json: num_hidden_layers: expected a positive integer up to',
    )
  })

  test('a layer that the model does not have, with those that it has', async () => {
    const message = await complaint({ peft_layers_to_transform: [0, 99] })
    expect(message).toContain('f.yaml:8:1 peft_layers_to_transform: ')
    expect(message).toMatch(/there is no layer 99\n {2}→ the model has the layers 0 to \d/)
  })

  test('a number that is too large, with the bound', async () => {
    const message = await complaint({ threads: 100_000, seed: 1e20, max_steps: 1e300 })
    expect(message).toContain('threads: expected an integer ≥ 1 and ≤ 256, got 100000')
    expect(message).toContain('seed: expected an integer ≥ 0 and ≤ 9007199254740991, got ')
    expect(message).toContain('max_steps: expected an integer ≥ -1 and ≤ 9007199254740991, got ')
  })
})

test('a checkpoint that a killed writer moved aside is not missed', async () => {
  const resume = join(space.path, 'out/checkpoint-3')
  mkdirSync(join(space.path, 'out/.checkpoint-3.old-1-abc'), { recursive: true })
  const text = yaml({ resume_from_checkpoint: resume })
  using run = await prepareRun(readFinetuneConfig(text, 'f.yaml'), { device: cpu })
  expect(run.config.resume_from_checkpoint).toBe(resume)
})

describe('the remedy', () => {
  test('for a name of which there are none, or others, is a plugin', async () => {
    const plugins = [plugin("export const p = { name: 'p', provides: {} }")]
    const message = await complaint({ sampler: 'foo', optimizer: 'mine', adapter: 'mine', plugins })
    expect(message).toContain('→ there are none yet: a module under plugins: brings them')
    expect(message).toContain('adamw_8bit; one of your own comes from a module under plugins:')
    expect(message).toMatch(/adapter: there is no adapter "mine"\n {2}→ .*a module under plugins:/)
  })

  test('for a dataset that is not there says where paths start', async () => {
    expect(await complaint({ datasets: BAD_DATA })).toContain(`→ paths start at ${process.cwd()}; `)
  })
})
