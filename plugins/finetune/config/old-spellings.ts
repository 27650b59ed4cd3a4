/** Old or other ways to write keys of a run, read as the key that is used. */
import type { ConfigFailure } from '../../../core/contracts/config.ts'
import { RENAMED_KEYS, UNSUPPORTED_KEYS } from './keys/axolotl-keys.ts'

export type Mapping = Readonly<Record<string, unknown>>

export interface Renamed {
  readonly renamed: Mapping
  /** The name that is used → the name in the file. */
  readonly writtenAs: ReadonlyMap<string, string>
}

interface Found {
  readonly notes: string[]
  readonly failures: ConfigFailure[]
}

export function renameKeys(input: Mapping, { notes, failures }: Found): Renamed {
  const renamed = new Map<string, unknown>()
  const writtenAs = new Map<string, string>()
  for (const [name, written] of Object.entries(input)) {
    const shortFor = Object.hasOwn(UNSUPPORTED_KEYS, name) ? UNSUPPORTED_KEYS[name].shortFor : undefined
    const short = shortFor === undefined ? null : longForm(written)
    const value = short ?? written
    const target =
      short !== null && shortFor !== undefined
        ? shortFor
        : Object.hasOwn(RENAMED_KEYS, name)
          ? RENAMED_KEYS[name]
          : name
    if (target !== name && Object.hasOwn(input, target)) {
      failures.push({
        path: [name],
        what: `the old name of ${target}, which is given too`,
        code: 'E_CONFIG_KEY',
      })
      continue
    }
    if (target !== name) {
      writtenAs.set(target, name)
      if (!isEmpty(value)) notes.push(`${name} is read as ${target}`)
    }
    renamed.set(target, value)
  }
  // Not by assignment: `__proto__` is a key like any other.
  return { renamed: Object.fromEntries(renamed), writtenAs }
}

/** A failure of a key, at the name under which the file has it. */
export function underOldName(failure: ConfigFailure, writtenAs: ReadonlyMap<string, string>): ConfigFailure {
  const [head, ...rest] = failure.path
  const old = typeof head === 'string' ? writtenAs.get(head) : undefined
  return old === undefined ? failure : { ...failure, path: [old, ...rest] }
}

/** Names that are read as others, besides those that are only renamed. */
export const READ_AS: Readonly<Record<'file' | 'dataset', readonly string[]>> = {
  file: [
    'pretraining_dataset',
    'bfloat16',
    'float16',
    'fp16',
    'float32',
    'tokenizer_use_mistral_common',
    'use_onebitllms',
    'qat',
    'use_eaft',
    'eaft_alpha',
    'eaft_k',
    'lisa_n_layers',
    'lisa_step_interval',
    'llmcompressor',
  ],
  dataset: ['message_field_role', 'message_field_content'],
}

/** Names of parts of a run that axolotl has as keys, read as `objective`, `strategy` and `transforms`. */
function readParts(input: Mapping, read: Record<string, unknown>, { notes, failures }: Found): Mapping {
  const { use_eaft, eaft_alpha, eaft_k, lisa_n_layers, lisa_step_interval, llmcompressor, ...rest } = input
  const place = (key: string, asked: string, value: unknown): void => {
    if (isEmpty(rest[key])) read[key] = value
    else failures.push({ path: [asked], what: `is ${key} here, which is given too`, code: 'E_CONFIG_KEY' })
  }
  for (const key of [
    'use_eaft',
    'eaft_alpha',
    'eaft_k',
    'lisa_n_layers',
    'lisa_step_interval',
    'llmcompressor',
  ])
    delete read[key]
  if (!isEmpty(use_eaft)) {
    notes.push('use_eaft is read as objective: eaft')
    const options = {
      ...(isEmpty(eaft_alpha) ? {} : { alpha: eaft_alpha }),
      ...(isEmpty(eaft_k) ? {} : { k: eaft_k }),
    }
    place('objective', 'use_eaft', { name: 'eaft', ...options })
  }
  if (!isEmpty(lisa_n_layers)) {
    notes.push('lisa_n_layers is read as strategy: lisa')
    place('strategy', 'lisa_n_layers', { name: 'lisa', layers: lisa_n_layers, interval: lisa_step_interval })
  }
  if (!isEmpty(llmcompressor)) {
    const targets = constantPruning(llmcompressor)
    if (targets === null)
      failures.push({
        path: ['llmcompressor'],
        what: 'not supported yet (other modifiers of llm-compressor than ConstantPruningModifier)',
        code: 'E_CONFIG_KEY',
      })
    else {
      notes.push(
        'llmcompressor is read as transforms: keep_zeros; the weights are saved whole, with their zeros',
      )
      place('transforms', 'llmcompressor', [{ name: 'keep_zeros', targets }])
    }
  }
  return rest
}

/** The targets of a recipe that keeps the zeros and does nothing else; null: it does. */
function constantPruning(asked: unknown): readonly unknown[] | null {
  const fields = (value: unknown): Mapping => (isMapping(value) ? value : {})
  const stages = Object.values(fields(fields(asked)['recipe']))
  const modifiers = stages.flatMap((stage) =>
    Object.values(fields(stage)).flatMap((list) => Object.entries(fields(list))),
  )
  if (modifiers.length !== 1 || modifiers[0][0] !== 'ConstantPruningModifier') return null
  const { targets } = fields(modifiers[0][1])
  return Array.isArray(targets) ? targets : null
}

/** The model's own, else what mistral-common writes of a conversation. */
const MISTRAL_TEMPLATE = 'tokenizer_default_fallback_mistral_v7_tekken'

/** Flags about the precision → what `bf16` is for them, and what is said of it. */
const PRECISIONS: Readonly<Record<string, readonly [bf16: boolean, why: string]>> = {
  bfloat16: [true, ''],
  float16: [true, ': f16 is computed in bf16, which needs no scaling of the loss'],
  fp16: [true, ': f16 is computed in bf16, which needs no scaling of the loss'],
  float32: [false, ''],
}

/**
 * `bfloat16: true` is `bf16: true`, and so on; the message fields of datasets are read as mappings, `pretraining_dataset` as packed texts that are
 * streamed, `use_onebitllms` as `quantizer: bitnet`, and a mapping of `tokens` as `special_tokens`.
 */
export function readOldSpellings(
  {
    pretraining_dataset: texts,
    use_onebitllms: oneBit,
    qat,
    tokenizer_use_mistral_common: mistral,
    ...input
  }: Mapping,
  { notes, failures }: Found,
): Mapping {
  let rest: Mapping = Object.fromEntries(
    Object.entries(input).filter(([key]) => !Object.hasOwn(PRECISIONS, key)),
  )
  const read: Record<string, unknown> = { ...rest }
  rest = readParts(rest, read, { notes, failures })
  if (!isEmpty(texts)) {
    if (isEmpty(rest.datasets)) {
      const list: readonly unknown[] = Array.isArray(texts) ? texts : [texts]
      rest = { ...rest, datasets: list.map(streamedEntry) }
      read.datasets = rest.datasets
      read.sample_packing ??= true
      notes.push('pretraining_dataset is read as datasets with streaming: true, and sample_packing: true')
    } else
      failures.push({
        path: ['pretraining_dataset'],
        what: 'give either datasets or pretraining_dataset, not both',
        code: 'E_CONFIG_KEY',
      })
  }
  for (const [name, [bf16, why]] of Object.entries(PRECISIONS)) {
    if (isEmpty(input[name])) continue
    notes.push(`${name} is read as bf16: ${bf16}${why}`)
    read.bf16 = bf16
  }
  if (!isEmpty(oneBit) && isEmpty(rest.quantizer)) {
    notes.push('use_onebitllms is read as quantizer: bitnet, which computes the same')
    read.quantizer = 'bitnet'
  }
  if (!isEmpty(mistral) && isEmpty(rest.chat_template) && isEmpty(rest.chat_template_jinja)) {
    notes.push(
      `tokenizer_use_mistral_common is read as chat_template: ${MISTRAL_TEMPLATE}; tekken.json is read where there is no tokenizer.json`,
    )
    read.chat_template = MISTRAL_TEMPLATE
  }
  if (isMapping(qat) && !isEmpty(qat)) {
    notes.push('qat is read as quantizer: qat')
    const { quantize_embedding: embedding, ...options } = qat
    if (!isEmpty(embedding))
      failures.push({
        path: ['qat', 'quantize_embedding'],
        what: 'not supported yet (embeddings that are rounded in the training)',
        code: 'E_CONFIG_KEY',
      })
    read.quantizer = { ...options, name: 'qat' }
  } else if (!isEmpty(qat))
    failures.push({ path: ['qat'], what: 'expected a mapping such as { weight_dtype: nvfp4 }' })
  if (isMapping(rest.tokens) && isEmpty(rest.special_tokens)) {
    notes.push('tokens is read as special_tokens: it is a mapping')
    read.special_tokens = rest.tokens
    delete read.tokens
  }
  for (const name of ['datasets', 'test_datasets']) {
    const list = rest[name]
    if (Array.isArray(list)) {
      read[name] = list.map((entry: unknown) => (isMapping(entry) ? renameMessageFields(entry) : entry))
    }
  }
  return read
}

/** What axolotl takes for "not given": null, false, 0, an empty text, list or mapping. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true
  if (value === 'false' || value === 'no' || value === 'off') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** axolotl streams texts of type `pretrain`, whose field it calls `text_column`. */
function streamedEntry(entry: unknown): unknown {
  if (typeof entry === 'string') return { path: entry, type: 'completion', streaming: true }
  if (!isMapping(entry)) return entry
  const { text_column: column, type = 'pretrain', ...rest } = entry
  return {
    streaming: true,
    type: type === 'pretrain' ? 'completion' : type,
    ...(isEmpty(column) ? {} : { field: column }),
    ...rest,
  }
}

/**
 * `quantization: bitnet` and `quantization: { bitnet: { span: row } }` as `quantizer:` has them; null for axolotl's mapping of that name, which
 * is about torchao.
 */
function longForm(written: unknown): unknown {
  if (typeof written === 'string') return isEmpty(written) ? null : written
  const entries = isMapping(written) ? Object.entries(written) : []
  const [name, options] = entries.length === 1 ? entries[0] : ['', undefined]
  return options === null || isMapping(options) ? { ...options, name } : null
}

/** `message_field_role: from` is the old way to write `message_property_mappings: { role: from }`. */
function renameMessageFields(entry: Mapping): Mapping {
  const { message_field_role: role, message_field_content: content, ...rest } = entry
  if (isEmpty(role) && isEmpty(content)) return rest
  const given = isMapping(rest.message_property_mappings) ? rest.message_property_mappings : {}
  const old = { ...(isEmpty(role) ? {} : { role }), ...(isEmpty(content) ? {} : { content }) }
  return { ...rest, message_property_mappings: { ...old, ...given } }
}
