/**
 * `bun run oracle gguf`: what tritune writes as GGUF, read by llama.cpp: every type and every family, LoRA adapters, tokenizers.
 *
 * llama.cpp multiplies quantized weights by activations that it rounds to 8 bits, so its logits are never those of the numbers in the
 * file. What is allowed is therefore the error that the type itself has: its logits here beside those of the model in f32.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device, ModelDefinition } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { exportModel, promptIds, promptLogits } from '../../plugins/export/mod.ts'
import { GGUF_FILE_TYPES, ggufStrings, ggufTokenizer, openGguf } from '../../plugins/gguf/mod.ts'
import { saveModel } from '../../plugins/finetune/mod.ts'
import { loadModel, MODELS } from '../../plugins/models/mod.ts'
import { attachLora, loadAdapter, type LoraModelOptions, saveAdapter } from '../../plugins/peft/mod.ts'
import { loadTokenizer, readTokenizerFiles } from '../../plugins/tokenizer/mod.ts'
import { randomWeights } from '../../testing/tiny-model.ts'
import { GOLDEN, relativeRms, temporaryFolder } from '../../tests/_golden.ts'
import { writeTinyModel } from '../../tests/_tiny.ts'
import { askLlamaCpp, findLlamaCpp, type LlamaCppJob } from './_llama-cpp.ts'
import { mixedTexts } from './_mixed-texts.ts'
import { atMost, formatRow, mustBe, type Row } from './_row.ts'
import { findSmollm2 } from './smollm2.ts'

export interface GgufOracleOptions {
  readonly python: string
  readonly smollm2: string | undefined
  readonly cache: string | undefined
}

/** True when every row is within its tolerance. */
export async function runGgufOracle({ python, smollm2, cache }: GgufOracleOptions): Promise<boolean> {
  const home = findLlamaCpp(cache)
  const device = openCpu()
  console.log(`${device.description}; llama.cpp by node-llama-cpp in ${home}`)
  const room: Room = { home, device }
  let [rows, bad] = [0, 0]
  const part = async (title: string, all: AsyncIterable<Row>): Promise<void> => {
    console.log(`\n${title}`)
    for await (const row of all) {
      console.log(formatRow(row))
      rows++
      if (!row.ok) bad++
    }
  }
  await part('models of every family, in f32', familyRows(room))
  await part('LoRA on random models', loraFamilyRows(room))
  await part('tokenizers of folders', tokenizerRows(room))
  if (smollm2 !== 'none') {
    const path = smollm2 ?? findSmollm2(python)
    await part('SmolLM2-135M: types', typeRows(room, path))
    await part('SmolLM2-135M: LoRA', loraRows(room, path))
    await part('SmolLM2-135M: tokenizer', smollm2TokenizerRows(room, path))
  }
  console.log(`\n${rows - bad} of ${rows} comparisons are within their tolerance`)
  return bad === 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Room {
  readonly home: string
  readonly device: Device
}

const FAMILIES = [
  'llama',
  'llama-bias',
  'llama-rope-linear',
  'llama-rope-llama3',
  'llama-rope-yarn',
  'mistral',
  'qwen2',
  'qwen3',
  'qwen3-rope-yarn',
  'gpt2',
]

/** The golden models are random and have no tokenizer, without which the binding does not open a file. */
async function* familyRows({ home, device }: Room): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  const jobs: LlamaCppJob[] = []
  const ours: Float32Array[] = []
  const names = [...FAMILIES, ...Object.keys(LATER_FAMILIES)]
  for (const name of names) {
    const folder = join(temporary.path, name)
    writeFamily(folder, name, device)
    using model = loadModel(folder, { device, dtype: 'f32' })
    writeLettersTokenizer(folder, model.info.vocabSize)
    // Within the window of mistral and phi3, which llama.cpp has not.
    const ids = promptIds(null, model.info.vocabSize).slice(0, ['mistral', 'phi_3'].includes(name) ? 6 : 24)
    const file = join(temporary.path, `${name}.gguf`)
    await exportModel(folder, { to: 'gguf', output: file, type: 'f32' })
    ours.push(promptLogits(model, ids))
    jobs.push({ model: file, ids })
  }
  for (const [i, { logits, error }] of askLlamaCpp(home, jobs, temporary.path).entries()) {
    const name = `${names[i]}: logits`
    yield logits === null
      ? mustBe(name, 'not loaded', 'loaded', false, error ?? '')
      : atMost(name, relativeRms(logits, ours[i]), 1e-3)
  }
}

/** With as many layers as llama.cpp needs to show its fixed patterns, and windows that are shorter than the text. */
const LATER_FAMILIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  gemma: shape('gemma', { head_dim: 16 }),
  gemma2: shape('gemma2', { head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 7 }),
  gemma3: shape('gemma3_text', {
    head_dim: 16,
    query_pre_attn_scalar: 16,
    sliding_window: 7,
    num_hidden_layers: 6,
    rope_theta: 50_000,
    rope_scaling: { rope_type: 'linear', factor: 4 },
  }),
  // By a name with phi3 in it llama.cpp looks for tokens of the real ones.
  phi_3: shape('phi3', { sliding_window: 8 }),
  'phi_3-partial': shape('phi3', { partial_rotary_factor: 0.5 }),
  // llama.cpp takes the short list up to a context of 1,024.
  'phi_3-longrope': shape('phi3', {
    max_position_embeddings: 4096,
    original_max_position_embeddings: 1024,
    rope_scaling: { type: 'longrope', short_factor: factors(8, 1.02), long_factor: factors(8, 1.3) },
  }),
  olmo2: shape('olmo2', {}),
  mixtral: shape('mixtral', { num_local_experts: 4, num_experts_per_tok: 2 }),
  qwen3_moe: shape('qwen3_moe', {
    head_dim: 16,
    num_experts: 4,
    num_experts_per_tok: 2,
    moe_intermediate_size: 32,
    norm_topk_prob: true,
  }),
  gpt_oss: shape('gpt_oss', {
    head_dim: 16,
    num_local_experts: 4,
    num_experts_per_tok: 2,
    sliding_window: 7,
    // So small that both borders of yarn are outside of the head: llama.cpp rounds those inside.
    rope_theta: 3,
    rope_scaling: {
      rope_type: 'yarn',
      factor: 4,
      original_max_position_embeddings: 64,
      truncate: false,
    },
  }),
  granite: shape('granite', {
    attention_multiplier: 0.2,
    embedding_multiplier: 3,
    residual_multiplier: 0.7,
    logits_scaling: 1.5,
  }),
  smollm3: shape('smollm3', {}),
  glm4: shape('glm4', { head_dim: 16, attention_bias: true }),
  cohere2: shape('cohere2', { sliding_window: 7 }),
  stablelm: shape('stablelm', { use_qkv_bias: true, partial_rotary_factor: 0.5 }),
  'stablelm-parallel': shape('stablelm', { use_parallel_residual: true, partial_rotary_factor: 0.5 }),
}

function shape(type: string, own: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    model_type: type,
    vocab_size: 101,
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 128,
    ...own,
  }
}

function factors(count: number, step: number): number[] {
  return Array.from({ length: count }, (_, i) => step ** (i + 1))
}

/** A golden model, or a random one. */
function writeFamily(folder: string, name: string, device: Device): void {
  if (!Object.hasOwn(LATER_FAMILIES, name))
    return cpSync(join(GOLDEN, 'models', name), folder, { recursive: true })
  const config = LATER_FAMILIES[name]
  mkdirSync(folder, { recursive: true })
  const models: Readonly<Record<string, ModelDefinition>> = MODELS
  using model = models[String(config['model_type'])].create(config, randomWeights({ device }))
  saveModel(model, folder, folder)
}

const LORA_FAMILIES: readonly (readonly [name: string, targets: LoraModelOptions['targetModules']])[] = [
  ['llama', 'all-linear'],
  ['qwen3', ['q_proj', 'k_proj', 'down_proj']],
  ['gpt2', ['c_attn', 'c_proj']],
  ['phi_3-partial', ['qkv_proj', 'gate_up_proj', 'down_proj']],
  ['gemma2', 'all-linear'],
  ['granite', 'all-linear'],
  // The embedding and the head, where they are two.
  ['llama-bias', ['q_proj', 'embed_tokens', 'lm_head']],
]

/** Adapters alone, beside the base in f32. */
async function* loraFamilyRows({ home, device }: Room): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  for (const [name, targetModules] of LORA_FAMILIES) {
    const at = (ending: string): string => join(temporary.path, `${name}${ending}`)
    writeFamily(at(''), name, device)
    let vocabSize = 0
    {
      using model = loadModel(at(''), { device, dtype: 'f32' })
      vocabSize = model.info.vocabSize
      using adapter = attachLora(model, { rank: 4, alpha: 8, targetModules, init: false, seed: 5 })
      saveAdapter(at('-lora'), adapter, { baseModel: at('') })
    }
    writeLettersTokenizer(at(''), vocabSize)
    await exportModel(at(''), { to: 'gguf', output: at('.gguf'), type: 'f32' })
    await exportModel(at('-lora'), { to: 'gguf', output: at('-lora.gguf'), lora: true })
    const ids = promptIds(null, vocabSize)
    using model = loadModel(at(''), { device, dtype: 'f32' })
    const plain = promptLogits(model, ids)
    using _adapter = loadAdapter(model, at('-lora'))
    const ours = promptLogits(model, ids)
    const changed = relativeRms(ours, plain)
    const [{ logits, error }] = askLlamaCpp(
      home,
      [{ model: at('.gguf'), lora: at('-lora.gguf'), ids }],
      temporary.path,
    )
    yield logits === null || changed < 0.01
      ? mustBe(`${name}: LoRA`, `changes ${changed.toExponential(1)}`, 'applied', false, error ?? '')
      : atMost(`${name}: logits with a LoRA`, relativeRms(logits, ours), 1e-3)
  }
}

function writeLettersTokenizer(folder: string, vocabSize: number): void {
  const letters = Array.from({ length: Math.min(90, vocabSize - 3) }, (_, i) => String.fromCharCode(33 + i))
  const tokens = ['<s>', '</s>', ...letters, 'th']
  const special = tokens.slice(0, 2).map((content, id) => ({ id, content, special: true }))
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  writeFileSync(
    join(folder, 'tokenizer.json'),
    JSON.stringify({
      added_tokens: special,
      normalizer: null,
      pre_tokenizer: byteLevel,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: [['t', 'h']],
      },
    }),
  )
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ bos_token: '<s>', eos_token: '</s>' }),
  )
}

async function* typeRows({ home, device }: Room, source: string): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  const ids = promptIds(readTokenizerFiles(source), 1 << 20)
  using model = loadModel(source, { device, dtype: 'f32' })
  const exact = promptLogits(model, ids)
  for (const type of GGUF_FILE_TYPES) {
    const file = join(temporary.path, `${type}.gguf`)
    const { tensors } = await exportModel(source, { to: 'gguf', output: file, type, compare: false })
    using again = loadModel(file, { device, dtype: 'f32' })
    const ours = promptLogits(again, ids)
    const [{ logits, error }] = askLlamaCpp(home, [{ model: file, ids }], temporary.path)
    if (logits === null) {
      yield mustBe(type, 'not loaded', 'loaded', false, error ?? '')
      continue
    }
    const own = relativeRms(ours, exact)
    const allowed = Math.max(own, SUMS[type] ?? EIGHT_BITS)
    const row = atMost(`${type}: logits`, relativeRms(logits, ours), allowed)
    yield { ...row, tolerance: `≤ ${allowed.toExponential(2)} (error of the type; ${tensors} tensors)` }
  }
}

/** What llama.cpp's products cost: of f16 and bf16 with activations of the same type, else of 8-bit activations. */
const SUMS: Readonly<Record<string, number>> = { f32: 1e-4, f16: 5e-3, bf16: 1e-2 }
const EIGHT_BITS = 4e-2

async function* loraRows({ home, device }: Room, source: string): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  const at = (name: string): string => join(temporary.path, name)
  const ids = promptIds(readTokenizerFiles(source), 1 << 20)
  await exportModel(source, { to: 'gguf', output: at('base.gguf'), type: 'f32', compare: false })
  const kinds = {
    'LoRA of all layers': { rank: 8, alpha: 16 },
    'rsLoRA with patterns': {
      rank: 4,
      alpha: 3,
      rsLora: true,
      rankPattern: { q_proj: 6 },
      alphaPattern: { down_proj: 5 },
    },
  }
  for (const [name, options] of Object.entries(kinds)) {
    const [folder, file] = [at(`${name}-peft`), at(`${name}.gguf`)]
    let plain: Float32Array
    {
      using model = loadModel(source, { device, dtype: 'f32' })
      plain = promptLogits(model, ids)
      using adapter = attachLora(model, { ...options, targetModules: 'all-linear', init: false, seed: 3 })
      saveAdapter(folder, adapter, { baseModel: source })
    }
    await exportModel(folder, { to: 'gguf', output: file, lora: true })
    using model = loadModel(source, { device, dtype: 'f32' })
    using _adapter = loadAdapter(model, folder)
    const ours = promptLogits(model, ids)
    yield mustBe(
      `${name}: changes the logits`,
      relativeRms(ours, plain).toExponential(2),
      '≥ 5e-2',
      relativeRms(ours, plain) >= 0.05,
    )
    const [{ logits, error }] = askLlamaCpp(
      home,
      [{ model: at('base.gguf'), lora: file, ids }],
      temporary.path,
    )
    yield logits === null
      ? mustBe(name, 'not applied', 'applied', false, error ?? '')
      : atMost(`${name}: logits`, relativeRms(logits, ours), 1e-3)
  }
}

interface Vocabulary {
  readonly name: string
  /** Of tests/golden/gguf. */
  readonly golden: string
  readonly says?: string
  textOf?(text: string): string
  tokenizerOf?(tokenizer: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>
}

/** SentencePiece's own rule, as the tokenizer.json of Llama 2 has it. */
const PREPEND = {
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: null,
}

const VOCABULARIES: readonly Vocabulary[] = [
  { name: 'gpt-2', golden: 'gpt-2' },
  { name: 'smollm', golden: 'smollm' },
  { name: 'llama-bpe', golden: 'llama-bpe' },
  {
    name: 'qwen2',
    golden: 'qwen2',
    says: ', composed (llama.cpp does not)',
    textOf: (text) => text.normalize('NFC'),
  },
  {
    name: 'sentencepiece',
    golden: 'sentencepiece',
    tokenizerOf: (tokenizer) => ({ ...tokenizer, ...PREPEND }),
  },
  {
    name: 'sentencepiece, Metaspace',
    golden: 'sentencepiece',
    says: ', no space in front (llama.cpp puts one more there)',
    textOf: (text) => text.trimStart(),
  },
]

const unchanged: NonNullable<Vocabulary['tokenizerOf']> = (tokenizer) => tokenizer

/** A random model for each kind of vocabulary, in a folder with tokenizer.json. */
async function* tokenizerRows({ home }: Room): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  for (const { name, golden, says = '', textOf = String, tokenizerOf = unchanged } of VOCABULARIES) {
    const folder = join(temporary.path, name)
    const original = openGguf(join(GOLDEN, 'gguf', `tokenizer-${golden}.gguf`))
    const files = ggufTokenizer(original)
    writeTinyModel(folder, { vocab_size: ggufStrings(original, 'tokenizer.ggml.tokens').length })
    rmSync(join(folder, 'chat_template.jinja'))
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerOf(files.tokenizer)))
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(files.tokenizerConfig))
    const file = join(temporary.path, `${name}.gguf`)
    await exportModel(folder, { to: 'gguf', output: file, type: 'f32' })
    const texts = mixedTexts(1000).map(textOf)
    const place = { home, file, source: folder, texts, folder: temporary.path }
    yield { ...sameIds(`${name}: ids of texts`, place), tolerance: `all${says}` }
  }
}

async function* smollm2TokenizerRows({ home }: Room, source: string): AsyncGenerator<Row> {
  using temporary = temporaryFolder()
  const at = (name: string): string => join(temporary.path, name)
  const texts = mixedTexts(1000)
  await exportModel(source, { to: 'hf', output: at('hf'), compare: false })
  await exportModel(at('hf'), { to: 'gguf', output: at('of-folder.gguf'), type: 'q8_0', compare: false })
  yield sameIds('out of a folder', {
    home,
    file: at('of-folder.gguf'),
    source,
    texts,
    folder: temporary.path,
  })
  await exportModel(source, { to: 'gguf', output: at('of-file.gguf'), type: 'q8_0', compare: false })
  yield sameIds('out of a GGUF file', {
    home,
    file: at('of-file.gguf'),
    source,
    texts,
    folder: temporary.path,
  })
}

function sameIds(
  name: string,
  {
    home,
    file,
    source,
    texts,
    folder,
  }: {
    readonly home: string
    readonly file: string
    readonly source: string
    readonly texts: readonly string[]
    readonly folder: string
  },
): Row {
  const tokenizer = loadTokenizer(source)
  const [{ ids, error }] = askLlamaCpp(home, [{ model: file, texts }], folder)
  if (ids === null) return mustBe(name, 'not loaded', 'loaded', false, error ?? '')
  const wrong = texts.flatMap((text, i) => {
    const ours = tokenizer.encode(text, { addSpecialTokens: false })
    return ours.join() === ids[i].join()
      ? []
      : [`${JSON.stringify(text)}: ${ours.join()} here, ${ids[i].join()} there`]
  })
  return mustBe(
    name,
    `${texts.length - wrong.length} of ${texts.length}`,
    'all',
    wrong.length === 0,
    wrong.slice(0, 3).join('\n        '),
  )
}
