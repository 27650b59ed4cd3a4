/**
 * Tokens that the base model's vocabulary lacks: added, trained row by row, saved, merged and generated with.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { Tensor } from '../../../core/mod.ts'
import { prepareRun, saveModel } from '../../../plugins/finetune/mod.ts'
import { openGenerator } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { adapterVocabulary, loadAdapter } from '../../../plugins/peft/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { logitsOf, readFloats, relativeError, sameBytes } from '../../_golden.ts'
import { type Changes, cpu, workspace, type Workspace } from './_run.ts'

const TOKENS = ['<call>', '<end>']

function json(...path: readonly string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(...path), 'utf8'))
}

/** The tokens of the tiny model's tokenizer. */
function known(space: Workspace): number {
  return loadTokenizer(join(space.path, 'model')).vocabSize
}

/** A model with a row for each token of its tokenizer and no more, and texts with the new tokens. */
function open(model: Changes = {}, rows?: number): Workspace {
  const size = (() => {
    using space = workspace()
    return known(space)
  })()
  const space = workspace({ vocab_size: rows ?? size, ...model })
  const lines = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify({ text: `<call>${i} ${i + 1} ${i + 2}<end>${i}` }),
  )
  writeFileSync(join(space.path, 'data.jsonl'), `${lines.join('\n')}\n`)
  return space
}

function tableOf(folder: string, name: string): Float32Array {
  return readFloats(openCheckpoint(join(folder, 'model.safetensors')), name)
}

const sequences = { ids: Int32Array.of(5, 6, 7, 8, 9, 10), rows: 1, length: 6 }

describe('adapter: lora', () => {
  test('trains the new rows beside the adapter; tokenizer, adapter, merged model and generator know them', async () => {
    using space = open()
    const size = known(space)
    const { outputDir, losses } = await space.train({ tokens: TOKENS, mean_resizing_embeddings: true })
    expect(losses.at(-1)!).toBeLessThan(losses[0])
    const tokenizer = loadTokenizer(outputDir)
    expect(TOKENS.map((token) => tokenizer.idOf(token))).toEqual([size, size + 1])
    expect(tokenizer.encode('<call>1<end>', { addSpecialTokens: false }).at(0)).toBe(size)
    expect(json(outputDir, 'adapter_config.json')['trainable_token_indices']).toEqual([size, size + 1])
    expect(adapterVocabulary(outputDir)).toBe(size + 2)

    const merged = join(space.path, 'merged')
    mkdirSync(merged)
    let adapted = new Float32Array()
    {
      using model = loadModel(join(space.path, 'model'), {
        device: cpu,
        vocabSize: adapterVocabulary(outputDir),
      })
      using _adapter = loadAdapter(model, outputDir)
      adapted = Float32Array.from(logitsOf(model, sequences))
      saveModel(model, join(space.path, 'model'), merged, { tokenizerPath: outputDir })
    }
    expect(json(merged, 'config.json')).toMatchObject({ vocab_size: size + 2, tie_word_embeddings: true })
    using whole = loadModel(merged, { device: cpu })
    expect(relativeError(logitsOf(whole, sequences), adapted)).toBeLessThanOrEqual(1e-5)
    const [before, after] = [join(space.path, 'model'), merged].map((folder) =>
      tableOf(folder, 'model.embed_tokens.weight'),
    )
    expect(sameBytes(after.subarray(0, before.length), before)).toBe(true)
    expect(loadTokenizer(merged).idOf('<end>')).toBe(size + 1)

    const texts: string[] = []
    for (const options of [{ adapter: outputDir }, {}] as const) {
      using generator = await openGenerator('adapter' in options ? join(space.path, 'model') : merged, {
        ...options,
        device: cpu,
      })
      texts.push([...generator.stream({ prompt: '<call>1' }, { maxNewTokens: 6, temperature: 0 })].join(''))
    }
    expect(texts[0]).toBe(texts[1])
  })

  test('an untied model trains the rows of both tables', async () => {
    using space = open({ tie_word_embeddings: false })
    const size = known(space)
    const { outputDir } = await space.train({ tokens: ['<call>'], max_steps: 2 })
    expect(json(outputDir, 'adapter_config.json')['trainable_token_indices']).toEqual({
      'model.embed_tokens': [size],
      lm_head: [size],
    })
  })

  test('rows that the model has to spare are used, and trained', async () => {
    using space = open({}, 424)
    const size = known(space)
    const { outputDir } = await space.train({ tokens: TOKENS, max_steps: 1 })
    expect(json(outputDir, 'adapter_config.json')['trainable_token_indices']).toEqual([size, size + 1])
    using model = loadModel(join(space.path, 'model'), {
      device: cpu,
      vocabSize: adapterVocabulary(outputDir),
    })
    expect(model.info.vocabSize).toBe(424)
    using _adapter = loadAdapter(model, outputDir)
  })

  test('lora_modules_to_save has the tables whole instead', async () => {
    using space = open()
    const { outputDir } = await space.train({
      tokens: ['<call>'],
      lora_modules_to_save: ['embed_tokens', 'lm_head'],
      max_steps: 2,
    })
    const config = json(outputDir, 'adapter_config.json')
    expect(config).toMatchObject({
      modules_to_save: ['embed_tokens', 'lm_head'],
      trainable_token_indices: null,
    })
    const file = openCheckpoint(join(outputDir, 'adapter_model.safetensors'))
    expect(file.entries.get('base_model.model.lm_head.weight')?.shape).toEqual([known(space) + 1, 32])
  })

  test('special tokens that are not there yet are added, to a multiple of 32 when asked', async () => {
    using space = open()
    const size = known(space)
    let summary = ''
    const { outputDir } = await space.train(
      {
        special_tokens: { pad_token: '<pad-new>', additional_special_tokens: ['<x>'] },
        resize_token_embeddings_to_32x: true,
        max_steps: 1,
      },
      {
        onEvent(event) {
          if (event.type === 'start') summary = event.summary?.join('\n') ?? ''
        },
      },
    )
    const rows = 32 * Math.ceil((size + 2) / 32)
    expect(json(outputDir, 'adapter_config.json')['trainable_token_indices']).toEqual(
      Array.from({ length: rows - size }, (_, i) => size + i),
    )
    const tokenizer = loadTokenizer(outputDir)
    expect(tokenizer.padId).toBe(size)
    expect(tokenizer.specialIds.has(size + 1)).toBe(true)
    expect(summary).toContain(`new tokens: "<pad-new>" is ${size}, "<x>" is ${size + 1}`)
  })

  test('a token in reserve gets another text, and nothing grows', async () => {
    using space = open({}, 424)
    const size = known(space)
    const file = join(space.path, 'model/tokenizer.json')
    const content = json(file) as { added_tokens: { content: string; id: number }[] }
    const reserved = { ...content.added_tokens[0], content: '<reserved-0>', id: size }
    writeFileSync(file, JSON.stringify({ ...content, added_tokens: [...content.added_tokens, reserved] }))
    const { outputDir } = await space.train({ added_tokens_overrides: { [size]: '<call>' }, max_steps: 1 })
    const tokenizer = loadTokenizer(outputDir)
    expect([tokenizer.idOf('<call>'), tokenizer.idOf('<reserved-0>')]).toEqual([size, undefined])
    expect(json(outputDir, 'adapter_config.json')['trainable_token_indices']).toEqual([size])
  })

  test('a run that is resumed ends at the same bits', async () => {
    using space = open()
    const changes = { tokens: TOKENS, save_strategy: undefined, save_steps: 3, max_steps: 6 }
    const whole = await space.train({ ...changes, output_dir: join(space.path, 'whole') })
    const resumed = await space.train(
      { ...changes, output_dir: join(space.path, 'again') },
      { resume: { folder: join(whole.outputDir, 'checkpoint-3') } },
    )
    const [a, b] = [whole, resumed].map(({ outputDir }) =>
      openCheckpoint(join(outputDir, 'adapter_model.safetensors')),
    )
    for (const name of a.entries.keys())
      expect(sameBytes(readFloats(a, name), readFloats(b, name)), name).toBe(true)
  })
})

test('adapter: none trains the whole table, which has grown', async () => {
  using space = open()
  const size = known(space)
  const { outputDir } = await space.train({ adapter: 'none', tokens: TOKENS, max_steps: 2 })
  expect(json(outputDir, 'config.json')['vocab_size']).toBe(size + 2)
  using model = loadModel(outputDir, { device: cpu })
  expect(model.embedding.weight.shape).toEqual([size + 2, 32])
  expect(loadTokenizer(outputDir).idOf('<end>')).toBe(size + 1)
})

test('other adapters of layers have the tables whole', async () => {
  using space = open()
  const { outputDir } = await space.train({
    adapter: 'loha',
    adapter_options: { r: 2 },
    lora_r: undefined,
    lora_alpha: undefined,
    tokens: TOKENS,
    max_steps: 1,
  })
  expect(json(outputDir, 'adapter_config.json')['modules_to_save']).toEqual(['model.embed_tokens', 'lm_head'])
})

describe('what cannot be is told', () => {
  const refused = async (space: Workspace, changes: Changes): Promise<string> => {
    try {
      using _run = await prepareRun(space.config(changes), { device: cpu })
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return 'nothing'
  }

  test('an adapter of the whole model trains no rows', async () => {
    using space = open()
    const changes = {
      adapter: 'prompt',
      lora_r: undefined,
      lora_alpha: undefined,
      lora_target_linear: undefined,
      tokens: TOKENS,
    }
    expect(await refused(space, changes)).toContain('the new tokens have no trained rows')
  })

  test('an override of what is no added token, or is there already', async () => {
    using space = open()
    expect(await refused(space, { added_tokens_overrides: { 99999: '<a>' } })).toContain(
      '99999 is not the id of an added token',
    )
    expect(() => space.config({ added_tokens_overrides: { many: '<a>' } })).toThrow('the id of a token')
  })

  test('an adapter that was made without them', async () => {
    using space = open()
    const { outputDir } = await space.train({ max_steps: 1 })
    const changes = { lora_model_dir: outputDir, tokens: TOKENS, output_dir: join(space.path, 'next') }
    expect(await refused(space, changes)).toContain('was made without them')
  })
})

test('a prompt starts from the tokens of the run’s tokenizer', async () => {
  using space = open()
  const options = {
    num_virtual_tokens: 2,
    prompt_tuning_init: 'TEXT',
    prompt_tuning_init_text: '1 2',
    tokenizer_name_or_path: 'base',
  }
  const config = space.config({
    adapter: 'prompt',
    adapter_options: options,
    lora_r: undefined,
    lora_alpha: undefined,
    lora_target_linear: undefined,
  })
  using run = await prepareRun(config, { device: cpu })
  const [first] = run.tokenizer.encode('1 2', { addSpecialTokens: true })
  const { weight } = run.model.embedding
  const row = weight instanceof Tensor ? weight.toArray().slice(first * 32, (first + 1) * 32) : null
  expect(run.adapter?.tensors.get('prompt_embeddings')?.toArray().slice(0, 32)).toEqual(
    row ?? new Float32Array(),
  )
})
