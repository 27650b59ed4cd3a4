/**
 * What is wrong is found before anything large is downloaded, and is told at the line of the file that caused it.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDevice } from '../../../plugins/cuda/mod.ts'
import {
  checkRun,
  placeInConfig,
  prepareRun,
  readFinetuneConfig,
  summarize,
  train,
} from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { type FakeFile, type FakeHub, fakeHub } from '../hub/_server.ts'
import { countingTexts, cpu } from './_run.ts'

let space: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  space = temporaryFolder()
  writeTinyModel(join(space.path, 'model'))
  writeFileSync(join(space.path, 'data.jsonl'), countingTexts(8))
})
afterEach(() => space[Symbol.dispose]())

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

/** The message of a run that cannot be prepared, as the command prints it. */
async function complaint(text: string): Promise<string> {
  try {
    using _run = await prepareRun(readFinetuneConfig(text, 'f.yaml'), { device: cpu })
  } catch (error) {
    return String(placeInConfig(error, text, 'f.yaml')).replaceAll(space.path, '')
  }
  throw new Error('expected an error')
}

describe('an error of preparing a run', () => {
  test.each([
    [{ added_tokens_overrides: { 99999: '<nope>' } }, 'f.yaml:8:1 added_tokens_overrides: '],
    [{ lora_target_linear: false, lora_target_modules: ['q_porj'] }, 'f.yaml:8:1 lora_target_modules: '],
    [{ lora_exclude_modules: ['q_porj'] }, 'f.yaml:8:1 lora_exclude_modules: '],
    [{ lora_rank_pattern: { q_porj: 4 } }, 'f.yaml:8:1 lora_rank_pattern: '],
    [{ lora_r: 1000 }, 'f.yaml:8:1 lora_r: '],
    [{ sequence_len: 4096 }, 'f.yaml:5:1 sequence_len: '],
    [{ adapter: 'my-own' }, 'f.yaml:2:1 adapter: '],
    [{ lora_model_dir: 'nowhere' }, 'f.yaml:8:1 lora_model_dir: '],
    [{ base_model: './nowhere' }, 'f.yaml:1:1 base_model: '],
    [{ base_model: 'no spaces in names' }, 'f.yaml:1:1 base_model: '],
    [{ eot_tokens: ['two words'] }, 'f.yaml:8:1 eot_tokens: '],
    [
      { chat_template_jinja: '{% for %}' },
      'f.yaml:8:1 chat_template_jinja: the chat template cannot be parsed: ',
    ],
    [
      { chat_template_jinja: '.' },
      'f.yaml:8:1 chat_template_jinja: .: cannot read the chat template: this is',
    ],
    [{ chat_template_jinja: './nowhere.jinja' }, 'f.yaml:8:1 chat_template_jinja: there is no file'],
    [
      { datasets: [{ path: 'nowhere.jsonl', type: 'alpca' }] },
      'f.yaml:6:13 datasets[0].path: there is no file',
    ],
    [
      { datasets: [{ path: 'nowhere.jsonl', type: 'alpca' }] },
      'f.yaml:6:36 datasets[0].type: there is no dataset',
    ],
    [
      { micro_batch_size: 100, dataloader_drop_last: true },
      'f.yaml:9:1 dataloader_drop_last: there are fewer',
    ],
  ])('stands at the key that caused it: %j', async (changes, start) => {
    const chat = 'eot_tokens' in changes ? { datasets: [{ path: chatFile(), type: 'chat_template' }] } : {}
    const template = 'eot_tokens' in changes ? { chat_template: 'chatml' } : {}
    const message = await complaint(yaml({ ...chat, ...changes, ...template }))
    expect(
      message.split('\n').some((line) => line.replace(/^\w+: /, '').startsWith(start)),
      message,
    ).toBe(true)
  })

  test('names the file of a chat template, and stands at the key that asks for one', async () => {
    const chat = { datasets: [{ path: chatFile(), type: 'chat_template' }] }
    const file = join(space.path, 'own.jinja')
    const asked = async (template: string, changes: Readonly<Record<string, unknown>>): Promise<string> => {
      writeFileSync(file, template)
      return await complaint(yaml({ ...changes, chat_template_jinja: file }))
    }
    expect(await asked('a\n{% for %}', {})).toMatch(
      /f\.yaml:8:1 chat_template_jinja: \/own\.jinja: the chat template cannot be parsed: .*\(line 2\)/,
    )
    const refused = await asked("{{ raise_exception('no') }}", chat)
    expect(refused).toContain(
      '/chat.jsonl:1: the chat template failed: /own.jinja: the chat template refuses',
    )
    expect(refused).toContain('→ check the roles')
    const long = await asked(
      '{% for i in range(9999) %}{% for i in range(9999) %}{% endfor %}{% endfor %}',
      chat,
    )
    expect(long).toContain('/own.jinja: the chat template refuses the messages: the template takes more than')
    expect(long).toContain('→ shorten the conversation')
    expect(long).not.toContain('check the roles')
    rmSync(join(space.path, 'model/chat_template.jinja'))
    const none = await complaint(yaml(chat))
    expect(none).toMatch(/f\.yaml:6:\d+ datasets\[0\]\.type: the base model has no chat template\n/)
    expect(none).toContain('set chat_template: chatml')
    expect(await complaint(yaml({ ...chat, chat_template: 'tokenizer_default' }))).toContain(
      'f.yaml:8:1 chat_template: the base model has no chat template',
    )
  })

  test('is at a GPU that is not there, and the summary of one thread says 1', async () => {
    if (openDevice('auto').device.kind !== 'cuda')
      expect(await complaintOfDevice('cuda')).toContain('f.yaml:8:1 device: ')
    const text = yaml({ device: 'cpu', threads: 1 })
    using run = await prepareRun(readFinetuneConfig(text, 'f.yaml'))
    expect(summarize(run).find((line) => line.startsWith('device'))).toMatch(/\b1 thread\b/)
  })
})

async function complaintOfDevice(device: string): Promise<string> {
  const text = yaml({ device })
  try {
    using _run = await prepareRun(readFinetuneConfig(text, 'f.yaml'))
  } catch (error) {
    return String(placeInConfig(error, text, 'f.yaml'))
  }
  throw new Error('expected an error')
}

function chatFile(): string {
  const path = join(space.path, 'chat.jsonl')
  const messages = [
    { role: 'user', content: '1' },
    { role: 'assistant', content: '2' },
  ]
  writeFileSync(path, `${JSON.stringify({ messages })}\n`)
  return path
}

describe('a model of the hub', () => {
  const REPO = 'org/tiny'
  let hub: FakeHub
  const before = { ...process.env }

  const start = (changes: Readonly<Record<string, unknown>> = {}): void => {
    const folder = join(space.path, 'model')
    writeTinyModel(folder, changes)
    const files: Record<string, FakeFile> = {}
    for (const name of readdirSync(folder)) {
      files[name] = {
        content: new Uint8Array(readFileSync(join(folder, name))),
        large: name.endsWith('.safetensors'),
      }
    }
    hub = fakeHub(REPO, files)
    process.env.HF_ENDPOINT = hub.endpoint
    process.env.HF_HUB_CACHE = join(space.path, 'cache')
  }
  afterEach(() => {
    hub[Symbol.dispose]()
    for (const key of ['HF_ENDPOINT', 'HF_HUB_CACHE']) {
      if (before[key] === undefined) Reflect.deleteProperty(process.env, key)
      else process.env[key] = before[key]
    }
  })
  /** Files that were asked for. */
  const asked = (): string[] => [
    ...new Set(hub.log.flatMap((line) => /\/resolve\/\w+\/([\w.]+)/.exec(line)?.[1] ?? [])),
  ]

  test('is not asked for when a dataset is not there', async () => {
    start()
    expect(await complaint(yaml({ base_model: REPO, datasets: [{ path: 'nowhere.jsonl' }] }))).toContain(
      'nowhere',
    )
    expect(hub.log).toEqual([])
  })

  test('gives only its config.json when the architecture is not known', async () => {
    start({ model_type: 'unheard-of' })
    expect(await complaint(yaml({ base_model: REPO }))).toContain('f.yaml:1:1 base_model: ')
    expect(asked()).toEqual(['config.json'])
  })

  test('gives no weights when the tokenizer or the data do not fit', async () => {
    start()
    expect(await complaint(yaml({ base_model: REPO, added_tokens_overrides: { 99999: '<x>' } }))).toContain(
      'added_tokens_overrides',
    )
    writeFileSync(join(space.path, 'data.jsonl'), '{"txt": "1 2 3"}\n')
    expect(await complaint(yaml({ base_model: REPO }))).toContain('data.jsonl:1')
    expect(asked()).toContain('tokenizer.json')
    expect(asked().filter((name) => name.endsWith('.safetensors'))).toEqual([])
  })

  test('is prepared as a whole when all is right, and is then in the cache', async () => {
    start()
    const config = readFinetuneConfig(yaml({ base_model: REPO }), 'f.yaml')
    {
      using run = await prepareRun(config, { device: cpu })
      expect(run.model.info.type).toBe('llama')
    }
    expect(asked()).toContain('model.safetensors')
    const offline = readFinetuneConfig(yaml({ base_model: REPO, offline: true }), 'f.yaml')
    using run = await prepareRun(offline, { device: cpu })
    expect(run.modelPath).toContain('cache')
  })

  test('is checked by its config.json, without its weights', async () => {
    start()
    const config = readFinetuneConfig(yaml({ base_model: REPO }), 'f.yaml')
    expect((await checkRun(config, { device: cpu })).totalSteps).toBeGreaterThan(0)
    const wrong = yaml({ base_model: REPO, lora_target_linear: false, lora_target_modules: ['q_porj'] })
    await expect(checkRun(readFinetuneConfig(wrong, 'f.yaml'), { device: cpu })).rejects.toThrow('q_porj')
    // New tokens make the vocabulary longer there too.
    const grown = yaml({ base_model: REPO, tokens: ['<new>'] })
    await checkRun(readFinetuneConfig(grown, 'f.yaml'), { device: cpu })
    expect(asked().filter((name) => name.endsWith('.safetensors'))).toEqual([])
  })

  test('can be a teacher, of which the weights come last', async () => {
    start()
    const distilled = { kd_teacher: REPO, kd_alpha: 1, kd_ce_alpha: 0, max_steps: 1 }
    await checkRun(readFinetuneConfig(yaml(distilled), 'f.yaml'), { device: cpu })
    expect(asked()).toContain('tokenizer.json')
    expect(asked().filter((name) => name.endsWith('.safetensors'))).toEqual([])
    using run = await prepareRun(readFinetuneConfig(yaml(distilled), 'f.yaml'), { device: cpu })
    expect(asked()).toContain('model.safetensors')
    // It is the model itself, so there is nothing to learn at first.
    const kept: number[] = []
    await train(run, {
      onEvent(event) {
        if (event.type === 'step') kept.push(event.report.metrics['kd_loss'])
      },
    })
    expect(kept[0]).toBeCloseTo(0, 6)
    // A repository that is not there is a fault of its line.
    expect(await complaint(yaml({ kd_teacher: 'org/none' }))).toContain('f.yaml:8:1 kd_teacher: ')
  })
})
