/**
 * Tokens that are new in a run's vocabulary, on the side of the model: how many rows it must have, and which of them are trained.
 *
 * LoRA trains the new rows alone (PEFT's trainable_token_indices); other adapters of layers have no such thing in PEFT's files and train embedding and
 * head whole; without an adapter everything is trained anyway.
 */
import { type AdapterDefinition, ConfigError, type Host, type Model } from '../../../core/mod.ts'
import { ggufToHf, openGguf } from '../../gguf/mod.ts'
import { type LoadModelOptions, readConfig } from '../../models/mod.ts'
import {
  adapterVocabulary,
  type AttachedAdapter,
  type BesideOptions,
  type TrainableTokens,
} from '../../peft/mod.ts'
import { atKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { RunTokenizer } from './run-tokenizer.ts'

type Vocabulary = Pick<LoadModelOptions, 'vocabSize' | 'newRows' | 'seed'>

/** As axolotl: the rows of the model never get fewer, and more only when the tokenizer has more tokens. */
export function vocabularyOptions(config: FinetuneConfig, tokenizer: RunTokenizer, host: Host): Vocabulary {
  const { lora_model_dir, resize_token_embeddings_to_32x: rounded, mean_resizing_embeddings, seed } = config
  const count = tokenizer.inner.vocabSize
  const asked =
    tokenizer.newTokens.length === 0 && !rounded ? 0 : rounded ? 32 * Math.ceil(count / 32) : count
  const started =
    lora_model_dir === null
      ? 0
      : atKey(['lora_model_dir'], () => adapterVocabulary(lora_model_dir, host.all('adapter')))
  return { vocabSize: Math.max(asked, started), newRows: mean_resizing_embeddings ? 'mean' : 'normal', seed }
}

/** Ids whose rows were never trained: those that the model got, and those of new tokens among the rows that it had. */
export function newRows(
  { info: { vocabSize } }: Model,
  modelPath: string,
  { newTokens }: RunTokenizer,
): readonly number[] {
  const before = writtenVocabulary(modelPath) ?? vocabSize
  const grown = Array.from({ length: Math.max(0, vocabSize - before) }, (_, i) => before + i)
  return [...new Set([...newTokens.map(({ id }) => id), ...grown])].toSorted((a, b) => a - b)
}

/** What a fresh adapter trains besides itself. Throws a `ConfigError` when it can train no new rows. */
export function besideOptions(
  config: FinetuneConfig,
  { embedding, head }: Model,
  definition: Pick<AdapterDefinition, 'name'>,
  rows: readonly number[],
): BesideOptions {
  const { lora_modules_to_save, peft_trainable_token_indices: asked, peft_ensure_weight_tying } = config
  const given = asked && (isList(asked) ? asked : Object.values(asked)).length === 0 ? null : asked
  const tables = head.tiedTo === embedding.path ? [embedding.path] : [embedding.path, head.path]
  const whole = (path: string): boolean => lora_modules_to_save.some((name) => path.endsWith(name))
  const ensured = { ensureWeightTying: peft_ensure_weight_tying }
  const missing = rows.length === 0 ? [] : tables.filter((path) => !whole(path))
  if (missing.length === 0 || trainsSingleRows(definition.name))
    return {
      ...ensured,
      modulesToSave: lora_modules_to_save,
      trainableTokenIndices: withRows(given, missing, embedding.path, rows),
    }
  return {
    ...ensured,
    // A head that is tied is another one once the embedding is.
    modulesToSave: [
      ...new Set([...lora_modules_to_save, ...missing, ...(tables.length === 1 ? [head.path] : [])]),
    ],
    trainableTokenIndices: given,
  }
}

/** Whether all of these rows are among what an adapter trains: named one by one, or whole tables. */
export function trainsRows({ config }: Pick<AttachedAdapter, 'config'>, rows: readonly number[]): boolean {
  if (rows.length === 0) return true
  const { trainable_token_indices: tokens, modules_to_save: modules } = config
  const lists: unknown[] = Array.isArray(tokens) ? [tokens] : Object.values(tokens ?? {})
  const has = (id: number): boolean => lists.some((list) => Array.isArray(list) && list.includes(id))
  const isWhole =
    Array.isArray(modules) && modules.some((name) => /(embed_tokens|wte|lm_head)$/.test(String(name)))
  return isWhole || rows.every(has)
}

/** Throws a `ConfigError` at the key that asks for new tokens. */
export function refuseNewRows(config: FinetuneConfig, rows: readonly number[], why: string): void {
  if (rows.length === 0) return
  const key =
    config.tokens.length > 0 ? 'tokens' : hasOverrides(config) ? 'added_tokens_overrides' : 'special_tokens'
  throw new ConfigError([
    {
      path: [key],
      what: `the new tokens have no trained rows: ${why}`,
      remedy: 'use adapter: lora, or adapter: none',
    },
  ])
}

/** A line of the summary. */
export function newTokenNotes({ newTokens }: RunTokenizer, adapter: string | null): string[] {
  if (newTokens.length === 0) return []
  const shown = newTokens.slice(0, 5).map(({ id, token }) => `${JSON.stringify(token)} is ${id}`)
  const more = newTokens.length > 5 ? `, and ${newTokens.length - 5} more` : ''
  const trained =
    adapter === null
      ? 'trained as all weights are'
      : trainsSingleRows(adapter)
        ? 'their rows of the vocabulary are trained beside the adapter'
        : 'embedding and head are trained whole beside the adapter'
  return [`new tokens: ${shown.join(', ')}${more}; ${trained}`]
}

/** PEFT's files know single rows with LoRA and its kin only. */
function trainsSingleRows(adapter: string): boolean {
  return ['lora', 'dora', 'adalora'].includes(adapter)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function hasOverrides({ added_tokens_overrides }: FinetuneConfig): boolean {
  return Object.keys(added_tokens_overrides).length > 0
}

/** The tokens that are asked for and the new ones; a plain list where that says it. */
function withRows(
  given: TrainableTokens | null,
  tables: readonly string[],
  embedding: string,
  rows: readonly number[],
): TrainableTokens | null {
  if (tables.length === 0) return given
  const asked = new Map<string, readonly number[]>(
    given === null ? [] : isList(given) ? [[embedding, given]] : Object.entries(given),
  )
  for (const path of tables) {
    const key = [...asked.keys()].find((name) => path.endsWith(name)) ?? path
    asked.set(key, [...new Set([...(asked.get(key) ?? []), ...rows])])
  }
  const [[first, ids]] = asked
  return asked.size === 1 && embedding.endsWith(first) ? ids : Object.fromEntries(asked)
}

function isList(tokens: TrainableTokens): tokens is readonly number[] {
  return Array.isArray(tokens)
}

function writtenVocabulary(modelPath: string): number | null {
  const config: Readonly<Record<string, unknown>> = modelPath.endsWith('.gguf')
    ? { ...ggufToHf(openGguf(modelPath)).config }
    : readConfig(modelPath)
  const size = config['vocab_size']
  return typeof size === 'number' ? size : null
}
