/**
 * Models that are trained from the start: where shape, tokenizer and weights come from, whole runs, and what cannot be asked for.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError, countLiveTensors, TrituneError } from '../../../core/mod.ts'
import { checkRun, finetuneConfig, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { loadModel, readConfig } from '../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN } from '../../_golden.ts'
import { type Changes, cpu, fileBytes, workspace } from './_run.ts'

/** Left out of the workspace's run: a base model and its adapter. */
const ALONE = { base_model: null, adapter: null, lora_target_linear: false } as const
const SMALLEST = {
  ...ALONE,
  preset: 'tritter-test',
  tokenizer_config: 'bytes',
  overrides_of_model_config: { dropout: 0 },
  learning_rate: 1e-2,
} as const

function leftBehind(): string[] {
  return readdirSync(tmpdir()).filter((name) => /^tritune-(new|tokens)-/.test(name))
}

test('a preset trains from the start, and leaves a folder that is read back and writes text', async () => {
  using space = workspace()
  const [before, tensors, live] = [leftBehind(), countLiveTensors(), cpu.memory().live]
  const { losses, outputDir } = await space.train({ ...SMALLEST, max_steps: 24 })
  expect(losses[0]).toBeGreaterThan(5)
  expect(losses.at(-1)).toBeLessThan(0.7 * losses[0])
  const config = readConfig(outputDir)
  expect([config.model_type, config.vocab_size, config.eos_token_id]).toEqual(['tritter', 256, 0])
  {
    using model = loadModel(outputDir, { device: cpu })
    const tokenizer = loadTokenizer(outputDir)
    const prompt = tokenizer.encode('1 2')
    const ids = [...generate(model, prompt, { maxNewTokens: 8, temperature: 0, stopIds: [] })]
    expect(ids).toHaveLength(8)
    expect(new Set(tokenizer.decode(ids)).size).toBeGreaterThan(1)
  }
  expect(leftBehind()).toEqual(before)
  expect([countLiveTensors(), cpu.memory().live]).toEqual([tensors, live])
})

test('the seed decides the weights, and a resumed run ends with the same bytes', async () => {
  using whole = workspace()
  using halves = workspace()
  const same = {
    ...SMALLEST,
    overrides_of_model_config: {},
    max_steps: 6,
    save_steps: 3,
    save_strategy: 'steps',
  }
  const asked = await whole.train(same)
  const half = await halves.train(same)
  expect(half.losses).toEqual(asked.losses)
  const other = await halves.train({ ...same, seed: 12, output_dir: join(halves.path, 'other') })
  expect(other.losses[0]).not.toBe(asked.losses[0])
  const resumed = await halves.train(same, { resume: { folder: join(halves.path, 'out/checkpoint-3') } })
  expect(resumed.losses).toEqual(asked.losses.slice(3))
  const weights = (path: string): Buffer => fileBytes(path, 'out/model.safetensors')
  expect(weights(halves.path).equals(weights(whole.path))).toBe(true)
})

test('reinit_weights takes shape and tokenizer of a model, and none of its weights', async () => {
  using space = workspace()
  const own = {
    ...ALONE,
    base_model: join(space.path, 'model'),
    reinit_weights: true,
    max_steps: 1,
    learning_rate: 1e-9,
  }
  const { outputDir } = await space.train(own)
  using base = loadModel(join(space.path, 'model'), { device: cpu })
  using fresh = loadModel(outputDir, { device: cpu })
  expect([...fresh.weights.keys()]).toEqual([...base.weights.keys()])
  expect(new Set(fresh.weights.get('model.norm.weight')?.toArray().map(Math.round))).toEqual(new Set([1]))
  const table = fresh.weights.get('model.embed_tokens.weight')?.toArray() ?? new Float32Array()
  const deviation = Math.sqrt(table.reduce((sum, x) => sum + x * x, 0) / table.length)
  expect(Math.abs(deviation - 0.02)).toBeLessThan(0.001)
  expect(fileBytes(outputDir, 'tokenizer.json').equals(fileBytes(space.path, 'model/tokenizer.json'))).toBe(
    true,
  )
})

test.each(['bitnet', 'gpt2', 'qwen3', 'gemma2', 'cohere', 'phi3'])(
  'the config.json of a %s alone gives a model of its shape',
  async (name) => {
    using space = workspace()
    const shape = join(GOLDEN, 'models', name, 'config.json')
    const overrides = name === 'gpt2' ? { vocab_size: 256, n_positions: 64 } : { vocab_size: 256 }
    const { losses, outputDir } = await space.train({
      ...SMALLEST,
      preset: null,
      base_model_config: shape,
      overrides_of_model_config: { ...overrides, initializer_range: 0.02 },
      max_steps: 24,
    })
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0])
    using model = loadModel(outputDir, { device: cpu })
    expect(model.info.type).toBe(name)
  },
)

test('the text of a Gemma 3 that sees images is trained, resumed and written as a model of its own', async () => {
  using whole = workspace()
  using halves = workspace()
  const own = {
    ...SMALLEST,
    preset: null,
    base_model_config: join(GOLDEN, 'models', 'gemma3-images', 'config.json'),
    overrides_of_model_config: { vocab_size: 256, initializer_range: 0.02 },
    max_steps: 6,
    save_steps: 3,
    save_strategy: 'steps',
  }
  const { losses, outputDir } = await whole.train(own)
  await halves.train(own)
  const resumed = await halves.train(own, { resume: { folder: join(halves.path, 'out/checkpoint-3') } })
  expect(resumed.losses).toEqual(losses.slice(3))
  expect(
    fileBytes(halves.path, 'out/model.safetensors').equals(fileBytes(outputDir, 'model.safetensors')),
  ).toBe(true)
  using model = loadModel(outputDir, { device: cpu })
  expect(model.info.type).toBe('gemma3_text')
})

test('a BitNet starts anew: by use_bitnet of its shape, and by the quantizer', async () => {
  using space = workspace()
  const asked = [
    { overrides_of_model_config: { dropout: 0, use_bitnet: true } },
    { overrides_of_model_config: { dropout: 0 }, quantizer: 'bitnet' },
  ]
  const runs: (readonly number[])[] = []
  for (const changes of asked) {
    const { losses, outputDir } = await space.train(
      { ...SMALLEST, ...changes, max_steps: 24 },
      { resume: false },
    )
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0])
    runs.push(losses)
    expect(readConfig(outputDir).quantization_config).toMatchObject({
      quant_method: 'bitnet',
      quantization_mode: 'online',
    })
    using model = loadModel(outputDir, { device: cpu, writable: true })
    const forms = [...model.layers.values()].filter(({ form }) => form?.name === 'bitnet')
    expect(forms.map(({ path }) => path)).toEqual(
      [...model.layers.values()].filter(({ kind }) => kind === 'linear').map(({ path }) => path),
    )
  }
  expect(runs[0]).toEqual(runs[1])
})

test('a tokenizer is trained on the texts of the run', async () => {
  using space = workspace()
  const { outputDir } = await space.train({
    ...SMALLEST,
    tokenizer_config: null,
    train_tokenizer: { vocab_size: 300 },
    overrides_of_model_config: { vocab_size: 320 },
    max_steps: 1,
  })
  const tokenizer = loadTokenizer(outputDir)
  expect(tokenizer.vocabSize).toBeGreaterThan(258)
  expect(tokenizer.vocabSize).toBeLessThanOrEqual(300)
  const [record] = readFileSync(join(space.path, 'data.jsonl'), 'utf8').split('\n')
  const { text } = JSON.parse(record) as { text: string }
  expect(tokenizer.encode(text).length).toBeLessThan(Buffer.byteLength(text))
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
})

describe('texts that are streamed', () => {
  test('train to the same losses as in memory, packed or not', async () => {
    using space = workspace()
    const files = leftBehind()
    const entry = { path: join(space.path, 'data.jsonl'), type: 'completion' }
    for (const sample_packing of [false, true]) {
      const run = { ...SMALLEST, sample_packing, sequence_len: 20, max_steps: 8, num_epochs: 3 }
      const held = await space.train({ ...run, datasets: [entry], output_dir: join(space.path, 'held') })
      const streamed = { ...run, datasets: [{ ...entry, streaming: true }] }
      const put = await space.train({ ...streamed, output_dir: join(space.path, 'streamed') })
      expect(put.losses).toEqual(held.losses)
    }
    expect(leftBehind()).toEqual(files)
  })

  test('are what axolotl calls a pretraining_dataset', () => {
    const read = (datasets: unknown): ReturnType<typeof finetuneConfig.validate> =>
      finetuneConfig.validate({ base_model: 'm', learning_rate: 1, pretraining_dataset: datasets })
    const { datasets, sample_packing } = read([{ path: 'a', type: 'pretrain', text_column: 'body' }])
    expect(sample_packing).toBe(true)
    expect(datasets.map(({ type, field, streaming }) => [type, field, streaming])).toEqual([
      ['completion', 'body', true],
    ])
    expect(read('b').datasets[0].path).toBe('b')
  })

  test('lie in the folder of prepared datasets while the run is there', async () => {
    using space = workspace()
    const prepared = join(space.path, 'prepared')
    const entry = { path: join(space.path, 'data.jsonl'), type: 'completion', streaming: true }
    using run = await prepareRun(
      space.config({ ...SMALLEST, datasets: [entry], dataset_prepared_path: prepared, val_set_size: 2 }),
      { device: cpu },
    )
    expect(run.data.validation).toHaveLength(2)
    const [example] = run.data.train
    expect(example.ids).toEqual(example.labels)
    expect(example.ids.length).toBeGreaterThan(1)
    await train(run)
    // On Windows it has a name, until the run is closed.
    if (process.platform !== 'win32') expect(readdirSync(prepared)).toEqual([])
  })
})

describe('one error each', () => {
  const refused = async (changes: Changes): Promise<string> => {
    using space = workspace()
    try {
      await checkRun(space.config({ ...SMALLEST, ...changes }))
    } catch (error) {
      if (error instanceof ConfigError) {
        expect(error.failures).toHaveLength(1)
        const [{ path, what, remedy }] = error.failures
        return `${path.join('.')}: ${what} → ${remedy ?? ''}`
      }
      if (error instanceof TrituneError) return error.message
      throw error
    }
    return 'accepted'
  }
  const files = leftBehind()

  test.each([
    [{ preset: 'triter-small' }, 'preset: expected one of', 'did you mean "tritter-small"?'],
    [
      { preset: 'tritter-huge', bf16: false },
      'preset: training its 6.21 G parameters takes about',
      'are free',
    ],
    [
      { overrides_of_model_config: { num_attention_heads: 3, num_key_value_heads: 3, head_dim: null } },
      'preset: ',
      'hidden_size 64 is not a multiple of 3 attention heads',
    ],
    [
      { overrides_of_model_config: { num_attention_heads: 4, num_key_value_heads: 3, head_dim: 16 } },
      'preset: ',
      '4 attention heads are not a multiple of 3 key-value heads',
    ],
    [
      { overrides_of_model_config: { vocab_size: 100 } },
      'preset: the model has 100 tokens, its tokenizer 256',
      'set overrides_of_model_config: { vocab_size: 256 }',
    ],
    [
      { tokenizer_config: null, train_tokenizer: { vocab_size: 512 }, overrides_of_model_config: {} },
      'preset: the model has 256 tokens, its tokenizer',
      'vocab_size',
    ],
    [
      { overrides_of_model_config: { hiden_size: 32 } },
      'overrides_of_model_config.hiden_size',
      'hidden_size',
    ],
    [
      { sequence_len: 128 },
      'sequence_len: sequence_len 128 is longer than the 64 tokens',
      'set sequence_len: 64',
    ],
    [{ adapter: 'lora' }, 'adapter: new weights are trained whole', 'leave adapter out'],
    [{ quantizer: 'nf4' }, 'quantizer: packed weights cannot be trained', 'quantizer: bitnet'],
    [
      { base_model: 'm', preset: 'tritter-test', reinit_weights: true },
      'preset: give either base_model or preset',
      '',
    ],
    [{ base_model_config: 'x.json' }, 'base_model_config: give either preset or base_model_config', ''],
    [{ tokenizer_config: null }, 'tokenizer_config: a model with new weights needs a tokenizer', 'bytes'],
    [{ train_tokenizer: {} }, 'train_tokenizer: give either tokenizer_config or train_tokenizer', ''],
    [
      { tokenizer_config: null, train_tokenizer: { vocab_size: 256 } },
      'train_tokenizer.vocab_size: expected an integer ≥ 258',
      '',
    ],
    [
      { preset: null, base_model_config: './none.json' },
      'base_model_config: ./none.json: there is no such file',
      '',
    ],
    [{ reinit_weights: false }, 'preset: is for a model with new weights', 'reinit_weights: true'],
    [{ tokenizer_config: './no-such-folder' }, 'tokenizer_config: ', 'no-such-folder'],
  ] as const)('%j', async (changes, start, has) => {
    const message = await refused(changes)
    expect(message).toStartWith(start)
    expect(message).toContain(has)
    expect(leftBehind()).toEqual(files)
  })

  test('a dataset without records, streamed or not, and one that is no text', async () => {
    using space = workspace()
    const empty = join(space.path, 'empty.jsonl')
    writeFileSync(empty, '\n')
    for (const streaming of [false, true])
      expect(await refused({ datasets: [{ path: empty, type: 'completion', streaming }] })).toContain(
        'there are no records in',
      )
    const blank = join(space.path, 'blank.jsonl')
    writeFileSync(blank, '{"text":""}\n')
    const trained = { tokenizer_config: null, train_tokenizer: { vocab_size: 300 } }
    expect(
      await refused({ ...trained, datasets: [{ path: blank, type: 'completion', streaming: true }] }),
    ).toContain('there is no text to train a tokenizer on')
    const chat = [{ path: join(space.path, 'data.jsonl'), type: 'alpaca', streaming: true }]
    expect(await refused({ datasets: chat })).toContain('data.jsonl:1: there is no "instruction"')
  })
})
