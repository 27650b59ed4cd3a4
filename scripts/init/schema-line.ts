/**
 * The first line of a YAML file, by which editors know its keys: yaml-language-server and everything built on it.
 */
import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { ROOT } from '../_setup.ts'

/** In the package, and in a checkout where it was built. */
export const SCHEMA_FILE = 'finetune.schema.json'

/** No line where the schema is not there: an editor would complain of it. */
export function schemaLine(file: string): string[] {
  const schema = `${ROOT}${SCHEMA_FILE}`
  if (!existsSync(schema)) return []
  const path = relative(dirname(resolve(file)), schema).replaceAll('\\', '/')
  return [`# yaml-language-server: $schema=${path.startsWith('.') ? path : `./${path}`}`]
}
