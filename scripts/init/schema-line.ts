/**
 * The first line of a YAML file, by which editors know its keys: yaml-language-server and everything built on it.
 *
 * It points at a file that stays where it is: that of the installed package in a node_modules above the YAML file, or that
 * of a checkout, which is written when a line asks for it. The caches of bunx, npx and Deno come and go, so there is no
 * line for what lies there: an editor would complain of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/errors.ts'
import { isCheckout } from '../../core/invocation.ts'
import { ROOT } from '../_setup.ts'
import { installedFile } from './own-file.ts'

/** At the root of the package, and of a checkout (git ignores it there). */
export const SCHEMA_FILE = 'finetune.schema.json'

/** `text`: what the schema says, for a checkout. */
export function schemaLine(file: string, text: string): string[] {
  const folder = dirname(resolve(file))
  const schema = isCheckout() ? inCheckout(text) : installedFile(SCHEMA_FILE, folder)
  if (schema === undefined) return []
  const path = relative(folder, schema).replaceAll('\\', '/')
  return [`# yaml-language-server: $schema=${path.startsWith('.') ? path : `./${path}`}`]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Undefined where it cannot be written. */
function inCheckout(text: string): string | undefined {
  const schema = `${ROOT}${SCHEMA_FILE}`
  if (existsSync(schema) && readFileSync(schema, 'utf8') === text) return schema
  try {
    writeFileAtomic(schema, text)
    return schema
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_FILE') return undefined
    throw error
  }
}
