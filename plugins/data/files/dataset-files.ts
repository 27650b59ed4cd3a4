/**
 * The files of a dataset entry: `path` is a file, or a folder whose file names decide the splits (`dataset-splits.ts`);
 * `data_files` names files inside the folder. A file on its own is the split `train`, and so are `data_files`.
 */
import { readdirSync, statSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { didYouMean, TrituneError } from '../../../core/errors.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { splitFiles } from './dataset-splits.ts'
import { formatOf, packedEnding, READABLE } from './file-format.ts'
import { globbed, isGlob } from './glob.ts'
import { splitName } from './record-slice.ts'

type Entry = Pick<DatasetOptions, 'path' | 'data_files' | 'split' | 'ds_type'>

/** Throws E_DATA when nothing is there, when the folder has no such split, or a file cannot be read. */
export function datasetFiles(entry: Entry): string[] {
  const files = filesOf(entry)
  for (const file of files) formatOf(file, entry.ds_type)
  return files
}

/** Readable files of the folder that are in none of its splits. */
export function filesInNoSplit({ path, data_files }: Entry): string[] {
  if (data_files.length > 0 || kindOf(path) !== 'folder') return []
  const { splits, readable } = readFolder(path)
  const used = new Set([...splits.values()].flat())
  return readable.filter((file) => !used.has(file))
}

function filesOf({ path, data_files, split }: Entry): string[] {
  const kind = kindOf(path)
  const name = splitName(split)
  if (data_files.length > 0 || kind === 'file') {
    if (name !== 'train') throw noSplit(path, name, ['train'])
    return data_files.length > 0 ? data_files.flatMap((file) => dataFile(path, kind, file)) : [path]
  }
  if (kind === 'nothing') {
    throw new TrituneError('E_DATA', `there is no file or folder "${path}"`, {
      place: 'datasets',
      remedy: `paths start at ${process.cwd()}; one of the hub is written org/name`,
    })
  }
  const { splits } = readFolder(path)
  const files = splits.get(name)
  if (files !== undefined) return files.map((file) => join(path, file))
  if (splits.size > 0) throw noSplit(path, name, [...splits.keys()])
  const packed = filesIn(path).find((file) => packedEnding(file) !== undefined)
  throw new TrituneError('E_DATA', `there is no file to read in the folder (${READABLE.join(', ')})`, {
    place: path,
    remedy:
      packed === undefined
        ? 'name the files in data_files and set ds_type'
        : `its files are packed: unpack them (${packed})`,
  })
}

function noSplit(path: string, name: string, splits: readonly string[]): TrituneError {
  const what =
    splits.join() === 'train'
      ? `there is no split "${name}": a file, or a folder whose file names tell no splits, is the split train`
      : `there is no split "${name}"; by the names of its files the folder has ${splits.join(', ')}`
  return new TrituneError('E_DATA', what, { place: path, remedy: `set split; ${didYouMean(name, splits)}` })
}

function readFolder(path: string): { splits: Map<string, string[]>; readable: string[] } {
  const readable = filesIn(path).filter((file) => isReadable(file) && kindOf(join(path, file)) === 'file')
  return { splits: splitFiles(readable), readable }
}

/** Paths inside of a folder, with slashes. */
function filesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
}

function dataFile(path: string, kind: 'file' | 'folder' | 'nothing', file: string): string | string[] {
  const matching = kind === 'folder' && isGlob(file) ? globbed(file, filesIn(path)) : []
  if (matching.length > 0) return matching.map((one) => join(path, one))
  // Loaders such as `path: json` with data_files have a path that is no folder.
  const candidates = kind === 'folder' ? [join(path, file), file] : [file]
  const found = candidates.find((candidate) => kindOf(candidate) === 'file')
  if (found !== undefined) return found
  throw new TrituneError('E_DATA', `there is no file "${candidates[0]}"`, {
    place: 'data_files',
    remedy: `paths start at the folder of path, or at ${process.cwd()}`,
  })
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
