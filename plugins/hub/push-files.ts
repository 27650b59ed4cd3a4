/**
 * What of a folder is pushed: an adapter, a model, or a run's output_dir without its checkpoints and its marks. Looks at
 * names only; nothing is read.
 */
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { fileError } from '../../core/files/files.ts'

export interface PushFile {
  /** In the repository, with slashes. */
  readonly path: string
  /** On this machine, links resolved; not there for what is made in memory. */
  readonly file: string
  readonly bytes: number
}

/** What a folder holds: a PEFT adapter, a model in safetensors, or GGUF files. */
export type PushKind = 'adapter' | 'model' | 'gguf'

export interface PushFolder {
  readonly kind: PushKind
  readonly files: readonly PushFile[]
  /** Entries that stay here, for the list of a dry run. */
  readonly left: readonly string[]
}

/** Which files of a folder are pushed, and where to. */
export interface ListOptions {
  /** Folder in the repository; default: its root. */
  readonly into?: string
  /** With the state of the optimizer, to resume from. */
  readonly withState?: boolean
}

/** @throws E_FILE when the folder is not there or holds nothing that is a result */
export function listPushFiles(
  folder: string,
  { into = '', withState = false }: ListOptions = {},
): PushFolder {
  const files: PushFile[] = []
  const left: string[] = []
  walk(folder, '', { files, left, withState })
  const names = new Set(files.map(({ path }) => path))
  const kind = kindOf(names)
  if (kind === undefined) throw nothingThere(folder, left)
  const placed = files.map((file) => (into === '' ? file : { ...file, path: `${into}/${file.path}` }))
  return { kind, files: placed.toSorted((a, b) => (a.path < b.path ? -1 : 1)), left: left.toSorted() }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of a run: marks, and what only resuming reads. */
const RUN_ONLY: ReadonlySet<string> = new Set([
  'finished.json',
  'run.json',
  'events.jsonl',
  'control.jsonl',
  'histograms.jsonl',
  'evaluation.json',
  'report.html',
  'tensorboard',
])
const STATE: ReadonlySet<string> = new Set(['training_state.json', 'state.safetensors'])

interface Walk {
  readonly files: PushFile[]
  readonly left: string[]
  readonly withState: boolean
}

function walk(root: string, below: string, into: Walk): void {
  for (const entry of entriesOf(join(root, below), root)) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    const place = join(root, path)
    if (staysHere(entry.name, below === '', into.withState)) into.left.push(path)
    else if (entry.isDirectory()) walk(root, path, into)
    else into.files.push(fileOf(path, place))
  }
}

/** Hidden and temporary names (also those of killed runs), checkpoints, marks. */
function staysHere(name: string, top: boolean, withState: boolean): boolean {
  if (name.startsWith('.') || name.endsWith('~') || name.endsWith('.tmp') || name.endsWith('.incomplete'))
    return true
  if (name === '__pycache__' || name === 'node_modules') return true
  if (!top) return false
  return /^checkpoint-\d+$/.test(name) || RUN_ONLY.has(name) || (!withState && STATE.has(name))
}

/** A link to a file is that file, as in the cache of the hub; a link to a folder may lead anywhere. */
function fileOf(path: string, place: string): PushFile {
  try {
    const file = realpathSync(place)
    const stat = statSync(file)
    if (stat.isFile()) return { path, file, bytes: stat.size }
  } catch (error) {
    throw fileError(error, place, 'cannot read')
  }
  throw new TrituneError('E_FILE', 'this is no file, and cannot be pushed', {
    place,
    remedy: 'remove it, or push a folder without it',
  })
}

function entriesOf(folder: string, root: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw fileError(error, folder, folder === root ? 'cannot open the folder to push' : 'cannot read')
  }
}

function kindOf(names: ReadonlySet<string>): PushKind | undefined {
  const all = [...names]
  if (names.has('adapter_config.json') && all.some((name) => /^adapter_model\.(safetensors|bin)$/.test(name)))
    return 'adapter'
  if (names.has('config.json') && all.some((name) => /^[^/]+\.(safetensors|bin)$/.test(name))) return 'model'
  return all.some((name) => /^[^/]+\.gguf$/.test(name)) ? 'gguf' : undefined
}

function nothingThere(folder: string, left: readonly string[]): TrituneError {
  const checkpoint = left.filter((name) => name.startsWith('checkpoint-')).at(-1)
  return new TrituneError('E_FILE', 'there is neither an adapter nor a model in this folder', {
    place: folder,
    remedy:
      checkpoint === undefined
        ? 'name the output_dir of a finished run, the folder of an adapter, or that of a merged model'
        : `the run has not come to its end: resume it, or push ${join(folder, checkpoint)}`,
  })
}
