/**
 * What of a model can be had before its weights: `config` alone, or all `small` files (config, tokenizer). A file of settings
 * that does not fit the model is found before gigabytes are downloaded.
 */
import { existsSync } from 'node:fs'
import { looksLikePath, parseReference } from './reference.ts'
import { resolveModel } from './resolve.ts'
import type { HubOptions } from './settings.ts'

/**
 * Downloads what of a model stands before its weights. The folder; null for a single GGUF file, which has no such
 * part.
 *
 * @returns the folder of the model with at least these files; null for one file of a repository, which comes as a whole
 * @throws as `resolveModel()`
 * @example
 * ```ts
 * import { resolveModelPart } from 'tritune/plugins/hub'
 * import { readConfig } from 'tritune/plugins/models'
 *
 * const folder = await resolveModelPart('HuggingFaceTB/SmolLM2-135M-Instruct', 'config')
 * if (folder !== null) console.log(readConfig(folder).model_type) // → llama
 * ```
 */
export async function resolveModelPart(
  reference: string,
  only: 'config' | 'small',
  options: HubOptions = {},
): Promise<string | null> {
  const isPath = existsSync(reference) || looksLikePath(reference)
  if (!isPath && parseReference(reference, options.revision).file !== undefined) return null
  return await resolveModel(reference, { ...options, only })
}
