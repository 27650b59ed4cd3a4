/**
 * An adapter folder of mlx-lm as PEFT would have written it: the fields of its configuration, and its tensors, turned and renamed. Nothing is written.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import { type TensorEntry, tensorDType } from '../../../core/files/safetensors.ts'
import { DTYPES, TrituneError } from '../../../core/mod.ts'
import { loraFields } from '../lora/lora-format.ts'
import { loraOptions } from '../lora/lora-options.ts'
import { MLX_WEIGHTS, type NamedPart, partOfMlx, peftName } from './names.ts'

/** Whether the configuration is one of mlx-lm: it has no `peft_type` and says how it was fine-tuned. */
export function isMlxConfig(config: Readonly<Record<string, unknown>>): boolean {
  return !('peft_type' in config) && ('fine_tune_type' in config || 'lora_parameters' in config)
}

/** Throws E_FORMAT, E_ADAPTER, E_FILE or E_UNSUPPORTED. */
export function mlxFields(
  folder: string,
  config: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const type = config['fine_tune_type'] ?? 'lora'
  if (type === 'full')
    throw new TrituneError(
      'E_UNSUPPORTED',
      'fine_tune_type "full": the folder has weights of a model, not an adapter',
      {
        remedy: 'fuse them with mlx_lm.fuse and load the model',
      },
    )
  if (type !== 'lora' && type !== 'dora')
    throw new TrituneError('E_UNSUPPORTED', `fine_tune_type: ${JSON.stringify(type)} is not supported`, {
      remedy: 'supported: lora, dora',
    })
  const parameters = config['lora_parameters']
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters))
    throw new TrituneError(
      'E_ADAPTER',
      `lora_parameters: expected an object, got ${JSON.stringify(parameters ?? null)}`,
    )
  const numberOf = (key: string, what: string, fits: (value: number) => boolean): number => {
    const value: unknown = Reflect.get(parameters, key)
    if (typeof value === 'number' && Number.isFinite(value) && fits(value)) return value
    throw new TrituneError(
      'E_ADAPTER',
      `lora_parameters.${key}: expected ${what}, got ${JSON.stringify(value ?? null)}`,
    )
  }
  const rank = numberOf('rank', 'an integer from 1', (value) => Number.isInteger(value) && value >= 1)
  const scale = numberOf('scale', 'a number above 0', (value) => value > 0)
  const dropout = numberOf('dropout', 'a number from 0, below 1', (value) => value >= 0 && value < 1)
  const model = config['model']
  const options = loraOptions.validate({ rank, alpha: scale * rank, dropout, dora: type === 'dora' })
  return {
    ...loraFields(options, []),
    base_model_name_or_path: typeof model === 'string' ? model : null,
    peft_type: 'LORA',
    target_modules: [
      ...new Set([...openMlxWeights(folder).entries.values()].map(({ name }) => pathOf(name))),
    ].toSorted(),
    task_type: 'CAUSAL_LM',
  }
}

/** The tensors under PEFT's names, matrices turned. `name` of an entry is the one in the file. */
export function openMlxWeights(folder: string): Checkpoint {
  const file = join(folder, MLX_WEIGHTS)
  if (!existsSync(file))
    throw new TrituneError('E_FILE', `the folder has no ${MLX_WEIGHTS}`, {
      place: folder,
      remedy: 'copy all files of the adapter',
    })
  const stored = openCheckpoint(file)
  const entries = new Map<string, TensorEntry>()
  for (const [name, entry] of stored.entries) {
    const part = expectPart(name, file)
    entries.set(peftName(part), { ...entry, shape: entry.shape.toReversed() })
  }
  return {
    ...stored,
    entries,
    read(entry, offset = 0, length = entry.bytes - offset) {
      const own = stored.entries.get(entry.name) ?? entry
      const size = DTYPES[tensorDType(own)].bytes
      return turned(stored.read(own), own.shape, size).subarray(offset, offset + length)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectPart(name: string, file: string): NamedPart {
  const part = partOfMlx(name)
  if (part && !/(^|\.)(embed_tokens|wte)$/.test(part.path)) return part
  throw new TrituneError(
    'E_UNSUPPORTED',
    part
      ? `tensor "${name}": LoRA of mlx-lm on the embedding changes the head too where they are tied`
      : `tensor "${name}" is not part of a LoRA or DoRA`,
    { place: file, remedy: part ? 'train it without embed_tokens among its keys' : undefined },
  )
}

function pathOf(name: string): string {
  return partOfMlx(name)?.path ?? name
}

/** (rows, columns) → (columns, rows); what has one dimension stays. */
function turned(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  if (shape.length !== 2) return bytes
  const [rows, columns] = shape
  const out = new Uint8Array(bytes.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < size; k++) out[(j * rows + i) * size + k] = bytes[(i * columns + j) * size + k]
  return out
}
