/**
 * What was trained beside an adapter, as its files have it: which tensors belong to it, and embeddings that PEFT saves along when they were resized
 * or are targets.
 */
import { scoringModules } from './score-head.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import type { TensorEntry } from '../../../core/files/safetensors.ts'
import { type Adapter, type Model, TrituneError } from '../../../core/mod.ts'
import { PREFIX } from '../files/tensor-names.ts'
import { type BesideOptions, inModelOrder, savedPaths, type TrainableTokens } from './beside.ts'
import { overBase } from './over-base.ts'
import { copyModule, createSavedModule } from './saved-module.ts'

type Fields = Readonly<Record<string, unknown>>
type Entries = ReadonlyMap<string, TensorEntry>

/** The fields of adapter_config.json that say what is trained beside it. E_ADAPTER for values that they cannot have. */
export function besideOf(fields: Fields): BesideOptions {
  const bias = fields['bias'] ?? 'none'
  if (typeof bias !== 'string' || !(bias === 'none' || bias === 'all' || isOnly(bias)))
    throw new TrituneError('E_ADAPTER', `bias: expected none, all or …_only, got ${JSON.stringify(bias)}`)
  const modulesToSave = fields['modules_to_save'] ?? null
  if (modulesToSave !== null && !isListOf(modulesToSave, isText))
    throw new TrituneError(
      'E_ADAPTER',
      `modules_to_save: expected a list of names, got ${JSON.stringify(modulesToSave)}`,
    )
  return {
    modulesToSave: scoringModules(fields, modulesToSave),
    trainableTokenIndices: tokensOf(fields['trainable_token_indices'] ?? null),
    bias,
    ensureWeightTying: fields['ensure_weight_tying'] === true,
  }
}

/** The fields as if nothing was trained beside the adapter: what the method itself reads. */
export function withoutBeside(fields: Fields): Fields {
  const plain = {
    modules_to_save: null,
    trainable_token_indices: null,
    bias: 'none',
    ensure_weight_tying: false,
  }
  const there = Object.entries(plain).filter(([key]) => Object.hasOwn(fields, key))
  return { ...fields, ...Object.fromEntries(there) }
}

/** The tensors that are the method's own. */
export function ownEntries(model: Model, entries: Entries, options: BesideOptions): Entries {
  const saved = new Set(savedPaths(model, options.modulesToSave ?? []))
  const tables = new Set([model.embedding.path, model.head.path])
  const isBeside = (name: string): boolean => {
    const at = (suffix: string): string | null =>
      name.startsWith(PREFIX) && name.endsWith(suffix)
        ? name.slice(PREFIX.length, name.length - suffix.length)
        : null
    const [weight, bias] = [at('.weight') ?? '', at('.bias') ?? '']
    if (saved.has(weight) || saved.has(bias)) return true
    if (BASES.some((suffix) => tables.has(at(suffix) ?? ''))) return true
    if (at('.token_adapter.trainable_tokens_delta') !== null) return Boolean(options.trainableTokenIndices)
    return (
      options.bias !== 'none' && (model.layers.has(bias) || model.layers.has(at('.base_layer.bias') ?? ''))
    )
  }
  return new Map([...entries].filter(([name]) => !isBeside(name)))
}

/** Embeddings of the file that are not trained take the place of the model's; an adapter that is on one goes on over it. */
export function addStoredTables(
  model: Model,
  adapters: ReadonlyMap<string, Adapter>,
  entries: Entries,
  options: BesideOptions,
): Map<string, Adapter> {
  const all = new Map(adapters)
  const saved = new Set(savedPaths(model, options.modulesToSave ?? []))
  for (const layer of [model.embedding, model.head]) {
    const suffix = BASES.find((one) => entries.has(`${PREFIX}${layer.path}${one}`))
    if (suffix === undefined || saved.has(layer.path)) continue
    const copy = copyModule(layer, { trained: false })
    const adapter = all.get(layer.path)
    const own = { weight: copy.weight, names: { [suffix.slice(1)]: copy.weight } }
    all.set(layer.path, adapter ? overBase(adapter, own) : createSavedModule(layer, copy))
  }
  return inModelOrder(model, all)
}

/** Throws E_ADAPTER when the adapter has rows for more tokens than the model. */
export function expectVocabulary(model: Model, entries: Entries, options: BesideOptions): void {
  const needed = vocabularyOf(entries, options)
  const { vocabSize } = model.info
  if (needed <= vocabSize) return
  throw new TrituneError(
    'E_ADAPTER',
    `the adapter is of a vocabulary of ${needed} tokens, the model has ${vocabSize}`,
    {
      remedy:
        'open the model with as many, as all commands do: loadModel(path, { vocabSize: adapterVocabulary(folder) })',
    },
  )
}

/** How many tokens a model must have for the adapter in a folder; 0: any will do. */
export function adapterVocabulary(folder: string, fields: Fields): number {
  const file = join(folder, 'adapter_model.safetensors')
  return existsSync(file) ? vocabularyOf(openCheckpoint(file).entries, besideOf(fields)) : 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** How PEFT calls the whole table of an embedding or a head that it saves along: alone, under an adapter, under trained rows. */
const BASES = ['.weight', '.base_layer.weight', '.token_adapter.base_layer.weight'] as const

/** Tables that end so: embeddings and heads of the models that are known. */
const TABLES = /\.(embed_tokens|wte|lm_head)(\.base_layer|\.token_adapter\.base_layer)?\.weight$/

function vocabularyOf(entries: Entries, { trainableTokenIndices }: BesideOptions): number {
  let most = 0
  for (const [name, { shape }] of entries) if (TABLES.test(name)) most = Math.max(most, shape[0] ?? 0)
  const lists = Array.isArray(trainableTokenIndices)
    ? [trainableTokenIndices]
    : Object.values(trainableTokenIndices ?? {})
  for (const ids of lists) for (const id of ids) most = Math.max(most, id + 1)
  return most
}

function tokensOf(value: unknown): TrainableTokens | null {
  if (value === null || isListOf(value, isId)) return value
  if (typeof value === 'object' && !Array.isArray(value)) {
    const entries = Object.entries(value)
    if (entries.every((entry): entry is [string, number[]] => isListOf(entry[1], isId)))
      return Object.fromEntries(entries)
  }
  throw new TrituneError(
    'E_ADAPTER',
    `trainable_token_indices: expected token ids, or a list of them for each layer, got ${JSON.stringify(value)}`,
  )
}

function isOnly(value: string): value is `${string}_only` {
  return value.endsWith('_only')
}

function isListOf<T>(value: unknown, isOne: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isOne)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
