/**
 * Whether an adapter says that it was made for another base. Shapes tell what cannot be; equal shapes can still be of different weights.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { objectOf } from '../tools/tool-format.ts'

/** The base that the adapter in a folder names, where that is neither `ref` nor of its name; null: it may well be the same. */
export function otherBase(folder: string, ref: string): string | null {
  const file = join(folder, 'adapter_config.json')
  if (!existsSync(file)) return null
  const named = objectOf(JSON.parse(readFileSync(file, 'utf8')))?.['base_model_name_or_path']
  if (typeof named !== 'string' || named === '') return null
  return nameOf(named) === nameOf(ref) ? null : named
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of `org/Name`, of a folder, of a file: quantized ones are called after their base. */
function nameOf(ref: string): string {
  return basename(ref.replaceAll('\\', '/').replace(/\/+$/, ''))
    .replace(/\.gguf$/i, '')
    .toLowerCase()
}
