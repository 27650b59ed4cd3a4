/**
 * Whether the examples fit into what the model knows, asked before there are weights where config.json tells.
 */
import { ConfigError } from '../../../core/mod.ts'
import { MODELS, readConfig } from '../../models/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'

/** `lead`: positions that an adapter puts before the tokens. Throws a `ConfigError` at sequence_len. */
export function checkContextLength(
  { sequence_len }: Pick<FinetuneConfig, 'sequence_len'>,
  contextLength: number,
  lead: number = 0,
): void {
  if (sequence_len + lead <= contextLength) return
  const what =
    lead === 0
      ? `sequence_len ${sequence_len} is longer than the ${contextLength} tokens that the model knows`
      : `sequence_len ${sequence_len} and the ${lead} positions of the adapter are more than the ${contextLength} that the model knows`
  throw new ConfigError([
    { path: ['sequence_len'], what, remedy: `set sequence_len: ${contextLength - lead}` },
  ])
}

/** From config.json of a built-in model; null: only the model itself can tell. */
export function writtenContextLength(modelPath: string): number | null {
  if (modelPath.endsWith('.gguf')) return null
  const config = readConfig(modelPath)
  if (!Object.hasOwn(MODELS, String(config.model_type))) return null
  const length = config[config.model_type === 'gpt2' ? 'n_positions' : 'max_position_embeddings']
  return typeof length === 'number' && Number.isInteger(length) && length > 0 ? length : null
}
