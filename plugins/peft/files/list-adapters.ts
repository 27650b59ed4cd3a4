/**
 * The adapters below a folder, those of checkpoints and of subfolders included.
 */
import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../../../core/files/files.ts'
import { TrituneError } from '../../../core/mod.ts'
import { isAdapterFolder } from './adapter-files.ts'
import { inspectAdapter, type InspectedAdapter } from './inspect-adapter.ts'

/** A folder with an adapter: what it is, or why it cannot be told. */
export type ListedAdapter =
  | { readonly folder: string; readonly adapter: InspectedAdapter; readonly error: null }
  | { readonly folder: string; readonly adapter: null; readonly error: TrituneError }

/**
 * In the order of their paths. Headers are read, numbers are not; links to folders, hidden folders and node_modules are left out. Throws E_FILE
 * when the folder itself cannot be read.
 */
export function listAdapters(folder: string): readonly ListedAdapter[] {
  const found: ListedAdapter[] = []
  visit(folder, 0, found)
  return found
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Deeper than anybody keeps adapters. */
const DEEPEST = 12

function visit(folder: string, depth: number, found: ListedAdapter[]): void {
  if (isAdapterFolder(folder)) found.push(look(folder))
  if (depth === DEEPEST) return
  for (const entry of entriesOf(folder, depth))
    if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
      visit(join(folder, entry.name), depth + 1, found)
}

function look(folder: string): ListedAdapter {
  try {
    return { folder, adapter: inspectAdapter(folder, { numbers: false }), error: null }
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { folder, adapter: null, error }
  }
}

/** A folder below that may not be read has nothing that could be listed. */
function entriesOf(folder: string, depth: number): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (depth > 0) return []
    throw fileError(error, folder, 'cannot read')
  }
}
