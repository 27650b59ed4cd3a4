/**
 * Datasets of the hub: `path: org/name` becomes files of the cache. Which files those are is said by `data_files`, by the README of the
 * dataset, or by their names, as in Hugging Face's datasets. Only the files of the split that is wanted are downloaded.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { didYouMean, TrituneError } from '../../../core/errors.ts'
import { type DatasetRepository, type HubOptions, openDatasetRepository } from '../../hub/mod.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { splitsOfCard } from './dataset-card.ts'
import { formatOfName, READABLE } from './file-format.ts'
import { globbed } from './glob.ts'
import { splitName } from './record-slice.ts'

/** Whether a path means a dataset of the hub: nothing local, `org/name`, and no data file by its name. */
export function isHubDataset(path: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(path) && formatOfName(path) === undefined && !existsSync(path)
}

/**
 * The entry with local files in place of those of the hub; another entry as it is.
 *
 * @throws E_HUB when the dataset cannot be had; E_DATA when it has no such split, configuration or file
 */
export async function resolveHubDataset(
  entry: DatasetOptions,
  options: HubOptions = {},
): Promise<DatasetOptions> {
  if (!isHubDataset(entry.path)) return entry
  const { path, name, revision, split } = entry
  const repository = await openDatasetRepository(path, {
    ...options,
    ...(revision === null ? {} : { revision }),
  })
  const files = await filesOf(entry, repository)
  const folder = await repository.download(files)
  // What the files are of is said by now; a part of it is still taken.
  const part = /\[.*\]$/.exec(split ?? '')?.[0] ?? ''
  const local = files.map((file) => join(folder, file))
  return {
    ...entry,
    path: name === null ? path : `${path} (${name})`,
    data_files: local,
    split: part === '' ? null : `train${part}`,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function filesOf(
  { path, name, split, data_files, ds_type }: DatasetOptions,
  repository: DatasetRepository,
): Promise<string[]> {
  const isReadable = (file: string): boolean =>
    ds_type !== null || (formatOfName(file) !== undefined && !file.endsWith('.md'))
  if (data_files.length > 0) {
    const wanted = splitName(split)
    if (wanted !== 'train') throw noSplit(path, wanted, ['train'])
    return data_files.flatMap((pattern) => {
      const found = globbed(pattern, repository.paths)
      if (found.length > 0) return found
      throw new TrituneError(
        'E_DATA',
        `the dataset has no file ${pattern}; ${didYouMean(pattern, repository.paths)}`,
        { place: path },
      )
    })
  }
  const readable = repository.paths.filter(isReadable)
  if (readable.length === 0) throw nothingToRead(path, repository.paths)
  const splits = splitsOfCard(await cardOf(repository), readable, name, path)
  const files = splits.get(splitName(split))
  if (files === undefined) throw noSplit(path, splitName(split), [...splits.keys()])
  if (files.length === 0) throw nothingToRead(path, repository.paths)
  return files
}

async function cardOf(repository: DatasetRepository): Promise<string> {
  if (!repository.paths.includes('README.md')) return ''
  return readFileSync(join(await repository.download(['README.md']), 'README.md'), 'utf8')
}

function noSplit(place: string, name: string, splits: readonly string[]): TrituneError {
  return new TrituneError('E_DATA', `the dataset has no split "${name}", only ${splits.join(', ')}`, {
    place,
    remedy: `set split; ${didYouMean(name, splits)}`,
  })
}

function nothingToRead(place: string, paths: readonly string[]): TrituneError {
  const shown = paths.slice(0, 5).join(', ')
  return new TrituneError(
    'E_DATA',
    `the dataset has no file that can be read (${READABLE.join(', ')}), only ${shown}`,
    {
      place,
      remedy: 'many have a copy in Parquet: set revision: refs/convert/parquet',
    },
  )
}
