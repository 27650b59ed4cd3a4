/** What the public entry points export, as `deno doc` reads it from the sources. Signatures are cut from the sources. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { TrituneError } from '../../core/errors.ts'
import { signatureOf } from './signature.ts'

const TAG = v.object({
  kind: v.string(),
  name: v.optional(v.string()),
  doc: v.optional(v.string()),
  type: v.optional(v.unknown()),
})
const JS_DOC = v.object({ doc: v.optional(v.string()), tags: v.optional(v.array(TAG)) })
/** Lines count from 0. */
const LOCATION = v.object({ filename: v.string(), line: v.number() })
const DECLARATION = v.object({
  location: LOCATION,
  kind: v.string(),
  jsDoc: v.optional(JS_DOC),
  def: v.optional(v.unknown()),
})
const MODULE = v.object({
  module_doc: v.optional(JS_DOC),
  symbols: v.array(v.object({ name: v.string(), declarations: v.array(DECLARATION) })),
})
const OUTPUT = v.object({ nodes: v.record(v.string(), MODULE) })

export type Tag = v.InferOutput<typeof TAG>

export interface ExportedSymbol {
  readonly name: string
  readonly kind: string
  /** One for each overload. */
  readonly signatures: readonly string[]
  readonly doc: string
  readonly tags: readonly Tag[]
  /** From the root of the repository. */
  readonly file: string
  readonly line: number
}

export interface EntryPoint {
  /** As it is imported: `tritune/core`. */
  readonly name: string
  readonly file: string
  readonly doc: string
  readonly symbols: readonly ExportedSymbol[]
}

/** The files of the public entry points by the names that they are imported by. */
export function entryPoints(root: string): Map<string, string> {
  const found = new Map<string, string>([['tritune/core', 'core/mod.ts']])
  for (const plugin of readdirSync(join(root, 'plugins')).toSorted()) {
    found.set(`tritune/plugins/${plugin}`, `plugins/${plugin}/mod.ts`)
  }
  found.set('tritune/testing', 'testing/mod.ts')
  found.set('tritune/bench', 'bench/mod.ts')
  return new Map([...found].filter(([, file]) => existsSync(join(root, file))))
}

/** Every entry point with every symbol that it exports. A second or less: `deno doc` only parses. */
export function readApi(root: string): EntryPoint[] {
  const entries = [...entryPoints(root)]
  const deno = join(root, 'node_modules/.bin/deno')
  const { status, stdout, stderr } = spawnSync(deno, ['doc', '--json', ...entries.map(([, file]) => file)], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, NO_COLOR: '1' },
  })
  if (status !== 0) {
    throw new TrituneError('E_FORMAT', `deno doc failed:\n${stderr.slice(-500)}`, { remedy: 'bun install' })
  }
  const { nodes } = v.parse(OUTPUT, JSON.parse(stdout))
  const byFile = new Map(
    Object.entries(nodes).map(([url, module]) => [relative(root, fileURLToPath(url)), module]),
  )
  return entries.map(([name, file]) => {
    const module = byFile.get(file)
    return {
      name,
      file,
      doc: module?.module_doc?.doc ?? '',
      symbols: (module?.symbols ?? [])
        .flatMap(({ name: symbol, declarations }) => readSymbol(root, symbol, declarations))
        .toSorted((a, b) => a.name.localeCompare(b.name)),
    }
  })
}

/** Nothing for what is exported from another entry point: it is described there. */
function readSymbol(
  root: string,
  name: string,
  declarations: readonly v.InferOutput<typeof DECLARATION>[],
): ExportedSymbol[] {
  const own = declarations.filter(({ kind }) => kind !== 'reference')
  if (own.length === 0) return []
  const documented = own.find(({ jsDoc }) => jsDoc?.doc) ?? own[0]
  const file = relative(root, fileURLToPath(documented.location.filename))
  const signatures = own.map(({ location, kind }) => {
    const path = fileURLToPath(location.filename)
    return signatureOf(readFileSync(path, 'utf8'), location.line + 1, kind)
  })
  return [
    {
      name,
      kind: own[0].kind === 'typeAlias' ? 'type' : own[0].kind === 'variable' ? 'const' : own[0].kind,
      signatures: [...new Set(signatures)],
      doc: documented.jsDoc?.doc ?? '',
      tags: documented.jsDoc?.tags ?? [],
      file,
      line: documented.location.line + 1,
    },
  ]
}
