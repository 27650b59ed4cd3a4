/**
 * Makes the folder of a new plugin from templates/plugin: the whole package, or nothing. Writes files; installs and runs nothing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeFolderAtomicSync } from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/errors.ts'
import { KINDS, type PluginKind, type PluginKindName } from './kinds.ts'
import { pluginNames, type PluginNames } from './names.ts'
import { packageJson } from './package-json.ts'

export interface CreatePluginOptions {
  readonly kind: PluginKindName
  /** Of the package. */
  readonly name: string
  /** Default: the last part of the name, in the working folder. */
  readonly folder?: string
  /** For package.json and LICENSE. */
  readonly author?: string | null
}

export interface CreatedPlugin {
  readonly folder: string
  readonly names: PluginNames
  /** Relative paths. */
  readonly files: readonly string[]
}

/** E_USAGE for a name that cannot be, E_FILE where the folder is there already. */
export function createPlugin({ kind, name, folder, author = null }: CreatePluginOptions): CreatedPlugin {
  const names = pluginNames(name)
  const target = resolve(folder ?? names.folder)
  if (existsSync(target))
    throw new TrituneError('E_FILE', 'the folder is there already', {
      place: target,
      remedy: 'take another name, or --dir <folder>',
    })
  const files = new Map([
    [
      'package.json',
      `${JSON.stringify(packageJson({ names, kind, author, version: ownVersion() }), null, 2)}\n`,
    ],
    ...templateFiles(kind).map((file): [string, string] => [
      file.target,
      fill(readFileSync(file.path, 'utf8'), { kind, names, author }),
    ]),
  ])
  mkdirSync(dirname(target), { recursive: true })
  writeFolderAtomicSync(target, (temporary) => {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(temporary, path)), { recursive: true })
      writeFileSync(join(temporary, path), text)
    }
  })
  return { folder: target, names, files: [...files.keys()] }
}

// ---- helpers ----

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TEMPLATES = join(ROOT, 'templates/plugin')

/** Dots are put before the names here: packages leave out files of such names. */
const DOTTED: readonly (readonly [RegExp, string])[] = [
  [/^gitignore$/, '.gitignore'],
  [/^github\//, '.github/'],
]

function templateFiles(kind: PluginKindName): { readonly path: string; readonly target: string }[] {
  return ['common', kind].flatMap((part) =>
    filesIn(join(TEMPLATES, part)).map((path) => {
      const own = relative(join(TEMPLATES, part), path).replaceAll('\\', '/')
      return { path, target: DOTTED.reduce((text, [from, to]) => text.replace(from, to), own) }
    }),
  )
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}

interface Fill {
  readonly kind: PluginKindName
  readonly names: PluginNames
  readonly author: string | null
}

/** The templates are code that runs, so their names are names: my-adapter, myAdapter, MyAdapter, tritune-plugin-my-adapter. */
function fill(text: string, { kind, names, author }: Fill): string {
  const { summary, use, prepare = '' }: PluginKind = KINDS[kind]
  const words: Readonly<Record<string, string>> = {
    kind,
    summary,
    use,
    prepare,
    article: /^[aeiou]/.test(kind) ? 'An' : 'A',
    package: names.package,
    author: author ?? `the authors of ${names.package}`,
    year: String(new Date().getFullYear()),
  }
  const pascal = kind[0].toUpperCase() + kind.slice(1)
  return text
    .replaceAll(/\{\{(\w+)\}\}/g, (whole, word: string) => words[word] ?? whole)
    .replaceAll('../../adapter/src/', '../src/')
    .replaceAll('../../common/test/', './')
    .replaceAll('../../common/', '../')
    .replaceAll(`tritune-plugin-my-${kind}`, names.package)
    .replaceAll(`my-${kind}`, names.name)
    .replaceAll(`my${pascal}`, names.camel)
    .replaceAll(`My${pascal}`, names.pascal)
}

function ownVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return version
}
