/**
 * Numbers that follow from the model before the training and from the examples, kept in `dataset_prepared_path` for the next run: reference
 * log-probabilities. A file is known by a hash of everything that decides its bits, and by one of its content.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { fileError } from '../../../core/files/files.ts'
import type { Device, FloatDType, TokenizedExample } from '../../../core/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { atKey } from '../config/at-key.ts'
import { baseFiles } from '../model/base-model.ts'

/** Counts up when the same input gives other numbers. */
const VERSION = 1
const DIGEST = 32

/** What decides the numbers besides the examples. */
export interface Remembering {
  readonly config: FinetuneConfig
  /** Folder or file of the base model. */
  readonly modelPath: string
  readonly dtype: FloatDType
  readonly device: Pick<Device, 'description'>
}

/** Numbers of an earlier run, or of `compute`, which are then kept; only computed where nothing is kept. */
export function rememberedNumbers(
  run: Remembering,
  name: string,
  examples: readonly TokenizedExample[],
  compute: () => Float32Array,
): Float32Array {
  const { dataset_prepared_path: folder } = run.config
  if (folder === null || !isKnownByFiles(run.config)) return compute()
  return atKey(['dataset_prepared_path'], () => {
    const path = join(folder, `${name}-${keyOf(run, examples)}.bin`)
    const found = readNumbers(path)
    if (found) return found
    const made = compute()
    try {
      mkdirSync(folder, { recursive: true })
    } catch (error) {
      throw fileError(error, folder, 'cannot create')
    }
    const bytes = new Uint8Array(made.buffer, made.byteOffset, made.byteLength)
    writeFileAtomic(path, Buffer.concat([bytes, digestOf(bytes)]))
    return made
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** New weights and rows of new tokens are in no file yet. */
function isKnownByFiles({
  reinit_weights,
  tokens,
  added_tokens_overrides,
  special_tokens,
}: FinetuneConfig): boolean {
  return (
    !reinit_weights &&
    tokens.length === 0 &&
    Object.keys(added_tokens_overrides).length === 0 &&
    Object.values(special_tokens).every((token) => token === null)
  )
}

function keyOf(
  { config, modelPath, dtype, device }: Remembering,
  examples: readonly TokenizedExample[],
): string {
  const { quantizer, bnb_config_kwargs, overrides_of_model_config, micro_batch_size, lora_model_dir } = config
  const hash = createHash('sha256').update(
    JSON.stringify([
      VERSION,
      baseFiles(modelPath),
      lora_model_dir === null ? null : baseFiles(lora_model_dir),
      [dtype, device.description, micro_batch_size],
      [quantizer, bnb_config_kwargs, overrides_of_model_config],
    ]),
  )
  for (const { ids, labels, documents } of examples) {
    hash.update(Int32Array.of(ids.length)).update(ids).update(labels)
    if (documents) hash.update(documents)
  }
  return hash.digest('hex').slice(0, 32)
}

/** null when there is no such file, or when it is damaged. */
function readNumbers(path: string): Float32Array | null {
  if (!existsSync(path)) return null
  const bytes = readFileSync(path)
  const end = bytes.length - DIGEST
  if (end < 0 || end % 4 !== 0 || !digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end))) return null
  // A copy is aligned; the bytes of a file need not be.
  return new Float32Array(Uint8Array.prototype.slice.call(bytes, 0, end).buffer)
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
