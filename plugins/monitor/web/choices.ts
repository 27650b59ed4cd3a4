/**
 * Models and files of data to choose from on the page: what is in the cache of the hub, and what lies near the working folder. By their names; only a `.json` is looked into, as most of them are no data.
 */
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { cachedModels } from '../../hub/mod.ts'
import { isRun } from '../../runs/mod.ts'
import { holdsRecords } from './holds-records.ts'

/** A model or a file, by the name that goes into the file of a run. */
export interface Choice {
  readonly name: string
  /** null: not known. */
  readonly bytes: number | null
}

/** What the page offers to choose from. */
export interface Choices {
  readonly models: readonly Choice[]
  readonly files: readonly Choice[]
  /** Why something is not in the lists. */
  readonly notes: readonly string[]
}

/** `offered` come first. */
export async function findChoices(offered: Pick<Choices, 'models' | 'files'>): Promise<Choices> {
  const cache = await fromCache()
  const near = nearby('.', DEPTH)
  return {
    models: once([...offered.models, ...cache.models, ...near.models]).slice(0, MOST),
    files: once([...offered.files, ...near.files]).slice(0, MOST),
    notes: cache.notes,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const DEPTH = 2
const MOST = 300
const DATA = /\.(jsonl?|csv|parquet|arrow|txt)$/
/** Of projects, models and runs. */
const NO_DATA =
  /^(package(-lock)?|tsconfig.*|deno|.*config|tokenizer|special_tokens_map|vocab|run|finished|.*\.schema|.*\.index)\.json$|^(metrics|events|histograms|control|completions)\.jsonl$|^(requirements|LICENSE).*\.txt$/
const SKIPPED = /^(\.|node_modules$|dist$|checkpoint-\d+$)/

/** The first of each path, however it is written. */
function once(all: readonly Choice[]): Choice[] {
  const there = new Set<string>()
  return all.filter(({ name }) => {
    const path = resolve(name)
    return !there.has(path) && there.add(path)
  })
}

/** Hidden files are of tools. */
function isData(name: string, path: string): boolean {
  if (name.startsWith('.') || !DATA.test(name) || NO_DATA.test(name)) return false
  return !name.endsWith('.json') || holdsRecords(path)
}

async function fromCache(): Promise<{ models: Choice[]; notes: string[] }> {
  try {
    const { models } = await cachedModels()
    return {
      models: models.flatMap(({ repo, type, bytes }) => (type === 'model' ? [{ name: repo, bytes }] : [])),
      notes: [],
    }
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { models: [], notes: [`The cache of the hub is not listed: ${error.message}`] }
  }
}

function nearby(folder: string, depth: number): { models: Choice[]; files: Choice[] } {
  const models: Choice[] = []
  const files: Choice[] = []
  for (const entry of entriesOf(folder)) {
    const path = folder === '.' ? `./${entry.name}` : join(folder, entry.name)
    if (entry.isFile()) {
      if (entry.name.endsWith('.gguf') && !entry.name.startsWith('.'))
        models.push({ name: path, bytes: sizeOf(path) })
      else if (isData(entry.name, path)) files.push({ name: path, bytes: sizeOf(path) })
      continue
    }
    if (!entry.isDirectory() || SKIPPED.test(entry.name) || isRun(path)) continue
    const names = new Set(entriesOf(path).map(({ name }) => name))
    if (names.has('config.json') && [...names].some((name) => name.endsWith('.safetensors')))
      models.push({ name: path, bytes: null })
    else if (depth > 0) {
      const below = nearby(path, depth - 1)
      models.push(...below.models)
      files.push(...below.files)
    }
  }
  return { models, files }
}

/** What cannot be read is nothing to choose. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null
}
