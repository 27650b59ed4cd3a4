/**
 * What is exported: a model, with or without an adapter. Finds the base of an adapter by what its files say.
 */
import { existsSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { listCheckpoints } from '../../core/files/checkpoint-folders.ts'
import { TrituneError } from '../../core/mod.ts'
import { hasTokenizer } from '../finetune/mod.ts'
import { isGgufLora, openGguf } from '../gguf/mod.ts'
import { resolveModel } from '../hub/mod.ts'
import { noAdapter, readAdapterConfig } from '../peft/mod.ts'
import type { AdapterDefinitions } from '../peft/mod.ts'

/** Where things are. */
export interface ExportSource {
  /** A folder or a .gguf file. */
  readonly modelPath: string
  /** How the base is called in files: a hub name stays one. */
  readonly modelRef: string
  /** A folder of PEFT or a .gguf file. */
  readonly adapter: string | null
  /** Folder or .gguf file with the tokenizer, which a run may have changed; null: there is none. */
  readonly tokenizerPath: string | null
  /** For `general.name`. */
  readonly name: string
}

/** How a source is found. */
export interface FindSourceOptions {
  /** The base model, where the adapter's files do not say it or another copy is meant. */
  readonly base?: string
  /** An adapter for a source that is a model. */
  readonly adapter?: string
  readonly definitions?: AdapterDefinitions
  readonly offline?: boolean
  readonly onNote?: (text: string) => void
}

/**
 * `source` is a run's output, the folder of an adapter or of a model, a .gguf file of either, or a hub name.
 * @throws E_USAGE when the base is not known; E_FILE; and what `resolveModel` throws
 */
export async function findSource(
  source: string,
  { base, adapter: given, definitions, offline, onNote }: FindSourceOptions = {},
): Promise<ExportSource> {
  const isAdapter = isAdapterPath(source)
  if (isAdapter && given !== undefined)
    throw new TrituneError('E_USAGE', `${source} is an adapter itself`, {
      remedy: 'name the base model first, then --adapter; or leave --adapter out',
    })
  if (!isAdapter && base !== undefined)
    throw new TrituneError('E_USAGE', `${source} is a model, it has no base`, {
      remedy: 'leave --base out, or name the folder of an adapter',
    })
  const adapter = isAdapter ? source : (given ?? null)
  if (given !== undefined && !isAdapterPath(given)) throw noAdapter(given)
  if (!isAdapter && isStoppedRun(source)) throw noAdapter(source)
  const modelRef = isAdapter ? (base ?? baseOf(source, definitions)) : source
  const modelPath = await resolveModel(modelRef, {
    ...(offline === undefined ? {} : { offline }),
    ...(onNote === undefined ? {} : { onNote }),
  })
  return {
    modelPath,
    modelRef,
    adapter,
    tokenizerPath: tokenizerOf(modelPath, adapter),
    name: nameOf(source),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isAdapterPath(path: string): boolean {
  if (existsSync(join(path, 'adapter_config.json'))) return true
  return path.endsWith('.gguf') && existsSync(path) && isGgufLora(openGguf(path))
}

/** A folder that is neither a model nor an adapter, with checkpoints of an adapter. */
function isStoppedRun(source: string): boolean {
  return (
    !existsSync(join(source, 'config.json')) &&
    listCheckpoints(source).some(({ folder }) => isAdapterPath(folder))
  )
}

function baseOf(adapter: string, definitions: AdapterDefinitions | undefined): string {
  const named = adapter.endsWith('.gguf')
    ? undefined
    : readAdapterConfig(adapter, definitions)['base_model_name_or_path']
  if (typeof named === 'string' && named !== '') return named
  throw new TrituneError('E_USAGE', 'the adapter does not say what its base model is', {
    place: adapter,
    remedy: 'name it with --base',
  })
}

function tokenizerOf(modelPath: string, adapter: string | null): string | null {
  if (adapter !== null && hasTokenizer(adapter)) return adapter
  if (modelPath.endsWith('.gguf'))
    return openGguf(modelPath).metadata.has('tokenizer.ggml.tokens') ? modelPath : null
  return hasTokenizer(modelPath) ? modelPath : null
}

function nameOf(source: string): string {
  const path = resolve(source)
  const name = basename(path).replace(/\.gguf$/, '')
  return statSync(path, { throwIfNoEntry: false }) && name !== ''
    ? name
    : (source.split('/').at(-1) ?? source)
}
