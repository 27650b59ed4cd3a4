/**
 * `tritune.json` beside an adapter: which plugins it was made with, so that whoever lacks one is told what to install.
 *
 * A file of its own, because PEFT complains of keys that it does not know in adapter_config.json. It is for people and remedies: nothing is loaded
 * because it stands there.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { installCommand } from '../../../core/install-command.ts'

/** A plugin that an adapter was made with: what to install, the hash of its code, and what it provides. */
export interface PluginRecord {
  readonly name: string
  readonly version: string | null
  /** The package to install; null: it was a file. */
  readonly package: string | null
  /** As the file of the run named it. */
  readonly module: string
  /** SHA-256 of its code when the adapter was made. */
  readonly integrity: string
  /** `adapter:vector-scale` */
  readonly provides: readonly string[]
}

/** The file beside an adapter that tells which plugins made it. */
export const RECORDS_FILE = 'tritune.json'

/** Writes the file; without plugins there is none. */
export function writePluginRecords(folder: string, plugins: readonly PluginRecord[]): void {
  const path = join(folder, RECORDS_FILE)
  if (plugins.length === 0) return rmSync(path, { force: true })
  writeFileAtomic(path, `${JSON.stringify({ format: 1, plugins }, null, 2)}\n`)
}

/** What the file says; none where there is none or it is of another kind: it is only for remedies. */
export function readPluginRecords(folder: string): readonly PluginRecord[] {
  const path = join(folder, RECORDS_FILE)
  if (!existsSync(path)) return []
  try {
    const result = v.safeParse(schema, JSON.parse(readFileSync(path, 'utf8')))
    return result.success ? result.output.plugins : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

/** How to get what an adapter of the folder needs; null: the folder does not say. */
export function remedyFromRecords(folder: string, id: string): string | null {
  const record = readPluginRecords(folder).find(({ provides }) => provides.includes(id))
  if (!record) return null
  const { name, version, package: package_, module } = record
  if (package_ === null)
    return `it was made with the plugin ${name} of ${module}: give that file, --plugin ${module}`
  const wanted = version === null ? package_ : `${package_}@^${version}`
  return `it was made with ${package_} ${version ?? ''}: ${installCommand(wanted)}, then give --plugin ${package_}`.replace(
    ' :',
    ':',
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const schema = v.object({
  format: v.literal(1),
  plugins: v.array(
    v.object({
      name: v.string(),
      version: v.nullable(v.string()),
      package: v.nullable(v.string()),
      module: v.string(),
      integrity: v.string(),
      provides: v.array(v.string()),
    }),
  ),
})
