/**
 * The files of a model that starts anew: its shape (a preset, a config.json, or that of another model) and its tokenizer, in a folder of their own
 * while the run is there. There are no weights; `loadModel()` draws them by the seed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { availableMemory } from '../../../core/native/available-memory.ts'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { ConfigError, didYouMean, type Host, TrituneError } from '../../../core/mod.ts'
import { type HubOptions, resolveModelPart } from '../../hub/mod.ts'
import {
  modelDefinition,
  MODELS,
  readConfig,
  textOfGemma3,
  trainedBytes,
  tritterPreset,
} from '../../models/mod.ts'
import { loadTokenizer, type Tokenizer } from '../../tokenizer/mod.ts'
import { atKey, atKeyAsync } from '../config/at-key.ts'
import type { BaseModelFiles } from './base-model-files.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { formatBytes, formatCount } from '../reports/format.ts'
import { BYTES, ownTokenizer, shapeKey } from './new-model.ts'
import { writeNewTokenizer } from './new-tokenizer.ts'

type Shape = Readonly<Record<string, unknown>>

/** Errors are those of the key that says where a file comes from. The folder goes with it. */
export function newModelFiles(
  config: FinetuneConfig,
  host: Host,
  { processes = 1, ...tell }: Pick<HubOptions, 'onProgress' | 'onNote'> & { readonly processes?: number },
): BaseModelFiles & Disposable {
  const hub = {
    revision: config.revision_of_model ?? undefined,
    offline: config.offline ?? undefined,
    ...tell,
  }
  let folder: string | null = null
  return {
    async small() {
      const key = shapeKey(config)
      const shape = await atKeyAsync(key, () => shapeOf(config, hub))
      const tokenizerKey = config.train_tokenizer !== null ? 'train_tokenizer' : 'tokenizer_config'
      const path = config.tokenizer_config ?? ownTokenizer(config)
      const found = await atKeyAsync([config.tokenizer_config === null ? 'base_model' : tokenizerKey], () =>
        tokenizerFolder(config, path, hub),
      )
      folder = mkdtempSync(join(tmpdir(), 'tritune-new-'))
      const made = folder
      await atKeyAsync([tokenizerKey], () => writeNewTokenizer(made, config, found))
      const tokenizer = atKey([tokenizerKey], () => loadTokenizer(made))
      checkVocabulary(shape, tokenizer, key)
      const { bosId: bos_token_id, eosId: eos_token_id, padId: pad_token_id } = tokenizer
      const ids = { bos_token_id, eos_token_id, pad_token_id }
      writeFileAtomic(join(made, 'config.json'), `${JSON.stringify({ ...shape, ...ids }, null, 2)}\n`)
      atKey(key, () => modelDefinition(made, host.all('model')))
      checkRoom(shape, config, key, config.zero_stage === 1 ? processes : 1)
      return made
    },
    whole: () =>
      folder === null ? Promise.reject(new Error('asked before small()')) : Promise.resolve(folder),
    [Symbol.dispose]() {
      if (folder !== null) rmSync(folder, { recursive: true, force: true })
      folder = null
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function shapeOf(config: FinetuneConfig, hub: HubOptions): Promise<Shape> {
  const { preset, base_model, base_model_config, overrides_of_model_config: overrides } = config
  const own =
    preset !== null ? tritterPreset(preset) : await writtenShape(base_model_config ?? base_model, hub)
  const { quantization_config: packed, torch_dtype: _old, dtype: _new, ...plain } = own
  const shape = { ...plain, ...trainedForm(packed) }
  for (const key of Object.keys(overrides))
    if (!Object.hasOwn(own, key) && !LEFT_OUT_KEYS.includes(key))
      throw new ConfigError([
        {
          path: ['overrides_of_model_config', key],
          what: `config.json of ${base_model} has no "${key}"`,
          remedy: didYouMean(key, [...Object.keys(own), ...LEFT_OUT_KEYS]),
        },
      ])
  return { ...shape, ...overrides }
}

/** Packed weights are not what is trained; a BitNet is one with the weights that are rounded. */
function trainedForm(packed: unknown): Shape {
  if (typeof packed !== 'object' || packed === null || Reflect.get(packed, 'quant_method') !== 'bitnet')
    return {}
  return { quantization_config: { ...packed, linear_class: 'autobitlinear', quantization_mode: 'online' } }
}

/** What a config.json may leave out. */
export const LEFT_OUT_KEYS: readonly string[] = [
  'attention_bias',
  'head_dim',
  'initializer_range',
  'mlp_bias',
  'num_key_value_heads',
  'rope_parameters',
  'rope_scaling',
  'rope_theta',
  'sliding_window',
  'tie_word_embeddings',
]

/** Of a config.json, of a folder that has one, or of a model on the hub. */
async function writtenShape(path: string, hub: HubOptions): Promise<Shape> {
  if (path.endsWith('.json')) return readShape(path)
  const folder = await resolveModelPart(path, 'config', hub)
  if (folder === null || folder.endsWith('.gguf'))
    throw new TrituneError('E_UNSUPPORTED', 'a GGUF file has no config.json to start new weights from', {
      place: path,
      remedy: 'name the Hugging Face folder of the model, or a preset',
    })
  return readConfig(folder)
}

function readShape(path: string): Shape {
  if (!existsSync(path) || !statSync(path).isFile())
    throw new TrituneError('E_FILE', 'there is no such file', {
      place: path,
      remedy: `name a config.json; paths start at ${process.cwd()}`,
    })
  try {
    const shape: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof shape === 'object' && shape !== null && !Array.isArray(shape))
      return textOfGemma3({ ...shape })
  } catch (cause) {
    throw new TrituneError('E_FORMAT', 'not valid JSON', { place: path, cause })
  }
  throw new TrituneError('E_FORMAT', 'expected a JSON object', { place: path })
}

/** Where the tokenizer lies, if it is not made here. */
async function tokenizerFolder(
  config: FinetuneConfig,
  path: string | null,
  hub: HubOptions,
): Promise<string | null> {
  if (config.train_tokenizer !== null || path === BYTES || path === null) return null
  return await resolveModelPart(path, 'small', hub)
}

function checkVocabulary(
  { vocab_size: size }: Shape,
  { vocabSize }: Tokenizer,
  path: readonly (string | number)[],
): void {
  if (typeof size !== 'number' || vocabSize <= size) return
  throw new ConfigError([
    {
      path,
      what: `the model has ${size} tokens, its tokenizer ${vocabSize}`,
      remedy: `set overrides_of_model_config: { vocab_size: ${64 * Math.ceil(vocabSize / 64)} }, or take a smaller tokenizer`,
    },
  ])
}

/** Weights, gradients and moments of a model that this machine cannot hold: told before they are drawn. `parts`: of the moments. */
function checkRoom(
  shape: Shape,
  { bf16, device }: FinetuneConfig,
  path: readonly (string | number)[],
  parts: number,
): void {
  if (!Object.hasOwn(MODELS, String(shape['model_type'])) || !['auto', 'cpu', 'wasm'].includes(device)) return
  const dtype = bf16 === true ? 'bf16' : 'f32'
  const { weightBytes, gradientBytes, optimizerBytes, parameters } = atKey(path, () =>
    trainedBytes(shape, dtype),
  )
  const needed = weightBytes + gradientBytes + optimizerBytes / parts
  const free = availableMemory()
  if (needed <= free) return
  throw new ConfigError([
    {
      path,
      code: 'E_MEMORY',
      what: `training its ${formatCount(parameters)} parameters takes about ${formatBytes(needed)}, and ${formatBytes(free)} are free`,
      remedy: 'take a smaller model, or bf16: true',
    },
  ])
}
