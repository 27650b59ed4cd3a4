/**
 * A LoRA in the files of PEFT or mlx-lm → a LoRA as a GGUF file. llama.cpp has no other methods; those are exported merged.
 */
import { type Model, TrituneError } from '../../core/mod.ts'
import { tensorDType, type TensorEntry } from '../../core/files/safetensors.ts'
import type { Checkpoint } from '../../core/files/checkpoint.ts'
import { numbersOf, DTYPES } from '../../core/tensor/dtype.ts'
import { ggufFamily, ggufName, type LoraPair, writeGgufLora } from '../gguf/mod.ts'
import { type AdapterFiles, headCounts, openAdapterFiles, patternValue } from '../peft/mod.ts'

type Json = Readonly<Record<string, unknown>>

/** How the adapter and its base are called. */
export interface GgufAdapterNames {
  readonly name: string
  /** `org/name` of the hub, or a name alone, by which a model card links it; default: it is not told. */
  readonly base?: string
}

/**
 * Writes the adapter in `folder` for llama.cpp; the model says what its base looks like.
 * @throws E_UNSUPPORTED for what is no plain LoRA; E_ADAPTER; E_FILE; E_FORMAT
 */
export function exportGgufAdapter(
  path: string,
  folder: string,
  model: Model,
  { name, base }: GgufAdapterNames,
): { readonly tensorCount: number } {
  const files = openAdapterFiles(folder)
  const { config } = files
  expectPlainLora(config, folder)
  const family = ggufFamily(model.info.type, folder)
  const pairs = pairsOf(files)
  for (const { name: weight } of pairs)
    if (
      model.head.tiedTo !== null &&
      [`${model.head.path}.weight`, `${model.embedding.path}.weight`].includes(weight)
    )
      throw new TrituneError(
        'E_UNSUPPORTED',
        `${weight} has an adapter; embedding and head of this model are one weight, and llama.cpp has one adapter for it`,
        { place: folder, remedy: 'export the merged model: leave --lora out' },
      )
  writeGgufLora(
    path,
    { alpha: numberOf(config, 'lora_alpha'), pairs },
    {
      ...headCounts(model),
      family,
      name,
      base,
      nameOf: (hf) => ggufName(family, model.info.written?.nameOf(hf) ?? hf),
    },
  )
  return { tensorCount: 2 * pairs.length }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Fields of adapter_config.json that make it more than a LoRA, with the values that do not. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false],
  lora_bias: [false],
  bias: ['none'],
  modules_to_save: [],
  trainable_token_indices: [],
  target_parameters: [],
  layer_replication: [],
  use_qalora: [false],
  use_bdlora: [false],
  alora_invocation_tokens: [],
}

function expectPlainLora(config: Json, folder: string): void {
  const remedy = 'export the merged model: leave --lora out'
  if (config['peft_type'] !== 'LORA')
    throw new TrituneError(
      'E_UNSUPPORTED',
      `llama.cpp has no adapters of type ${JSON.stringify(config['peft_type'])}`,
      {
        place: folder,
        remedy,
      },
    )
  const init = config['init_lora_weights']
  if (typeof init === 'string' && /^(pissa|olora|corda|loftq|lora_ga)/.test(init))
    throw new TrituneError(
      'E_UNSUPPORTED',
      `init_lora_weights: "${init}" changes the base, so the LoRA alone is not enough`,
      {
        place: folder,
        remedy,
      },
    )
  for (const [key, plain] of Object.entries(PLAIN)) {
    const value = config[key] ?? null
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0)
    if (isEmpty || plain.includes(value)) continue
    throw new TrituneError('E_UNSUPPORTED', `llama.cpp has no LoRA with ${key}: ${JSON.stringify(value)}`, {
      place: folder,
      remedy,
    })
  }
}

const ENDINGS: readonly (readonly [ending: RegExp, part: 'a' | 'b'])[] = [
  [/\.lora_A\.weight$/, 'a'],
  [/\.lora_B\.weight$/, 'b'],
  [/\.lora_embedding_A$/, 'a'],
  [/\.lora_embedding_B$/, 'b'],
]

function pairsOf({ checkpoint, config, entries, folder }: AdapterFiles): LoraPair[] {
  const found = new Map<string, { a?: TensorEntry; b?: TensorEntry }>()
  for (const [name, entry] of entries) {
    const match = ENDINGS.find(([ending]) => ending.test(name))
    if (match === undefined)
      throw new TrituneError('E_UNSUPPORTED', `the tensor "${name}" is not part of a plain LoRA`, {
        place: folder,
        remedy: 'export the merged model: leave --lora out',
      })
    const module = name.replace(match[0], '').replace(/^base_model\.model\./, '')
    found.set(module, { ...found.get(module), [match[1]]: entry })
  }
  return [...found].map(([module, { a, b }]): LoraPair => {
    if (
      a === undefined ||
      b === undefined ||
      a.shape.length !== 2 ||
      b.shape.length !== 2 ||
      a.shape[0] !== b.shape[1]
    )
      throw new TrituneError('E_ADAPTER', `the tensors of ${module} are no pair`, { place: folder })
    const [rank] = a.shape
    const alpha = patternValue(module, patternOf(config, 'alpha_pattern'), numberOf(config, 'lora_alpha'))
    return {
      name: `${module}.weight`,
      rank,
      scale: config['use_rslora'] === true ? alpha / Math.sqrt(rank) : alpha / rank,
      a: floatsOf(checkpoint, a),
      b: floatsOf(checkpoint, b),
    }
  })
}

function floatsOf(checkpoint: Checkpoint, entry: TensorEntry): Float32Array {
  const dtype = tensorDType(entry)
  const bytes = Uint8Array.from(checkpoint.read(entry))
  const { array: View, bytes: size } = DTYPES[dtype]
  return numbersOf(dtype, new View(bytes.buffer, 0, bytes.length / size))
}

function patternOf(config: Json, key: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(config[key] ?? {}).flatMap(([name, value]) =>
      typeof value === 'number' ? [[name, value] as const] : [],
    ),
  )
}

function numberOf(config: Json, key: string): number {
  const value = config[key]
  if (typeof value === 'number' && Number.isFinite(value) && value !== 0) return value
  throw new TrituneError('E_ADAPTER', `adapter_config.json: ${key} is ${JSON.stringify(value)}`)
}
