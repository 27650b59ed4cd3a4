/**
 * The files of a dataset entry: `path` is a file, or a folder whose readable files are taken in order of name;
 * `data_files` names files inside the folder.
 */
import { readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import type { DatasetOptions } from './dataset-options.ts'
import { READABLE } from './read-records.ts'

/** Throws E_DATA when nothing is there. */
export function datasetFiles({ path, data_files }: Pick<DatasetOptions, 'path' | 'data_files'>): string[] {
  const kind = kindOf(path)
  if (data_files.length > 0) return data_files.map((file) => dataFile(path, kind, file))
  if (kind === 'file') return [path]
  if (kind === 'nothing') {
    throw new TrituneError('E_DATA', `there is no file or folder "${path}"`, {
      place: 'datasets',
      remedy:
        'datasets are read from local files; one from the Hub has to be downloaded first (as JSON Lines)',
    })
  }
  const names = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isReadable(entry.name))
    .map((entry) => entry.name)
    .toSorted()
  if (names.length > 0) return names.map((name) => join(path, name))
  throw new TrituneError('E_DATA', `there is no file to read in the folder (${READABLE.join(', ')})`, {
    place: path,
    remedy: 'name the files in data_files and set ds_type',
  })
}

function dataFile(path: string, kind: 'file' | 'folder' | 'nothing', file: string): string {
  // Loaders such as `path: json` with data_files have a path that is no folder.
  const candidates = kind === 'folder' ? [join(path, file), file] : [file]
  const found = candidates.find((candidate) => kindOf(candidate) === 'file')
  if (found !== undefined) return found
  throw new TrituneError('E_DATA', `there is no file "${candidates[0]}"`, { place: 'data_files' })
}

/** Notes about a dataset lie beside it as README.md. */
function isReadable(name: string): boolean {
  return extname(name) !== '.md' && READABLE.some((extension) => name.toLowerCase().endsWith(extension))
}

function kindOf(path: string): 'file' | 'folder' | 'nothing' {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return 'nothing'
  return stats.isDirectory() ? 'folder' : 'file'
}
