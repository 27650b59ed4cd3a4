/**
 * Who may import whom: core stands alone, a plugin imports core and the `mod.ts` of other plugins, testing/ and bench/ are
 * for plugin authors and import both (bench/ also testing/), and nobody imports in a circle, not even types. Runtime code uses `node:` builtins only, so that it runs under Bun and Deno.
 */
import { posix } from 'node:path'
import { codeOnly, placeOf, readText, repositoryFiles, type Verdict, verdict } from './_files.ts'

const IMPORT = /\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g

export function checkLayers(): Verdict {
  const files = repositoryFiles().filter(
    (file) =>
      /^(core|plugins|testing|bench)\/.*\.ts$/.test(file) || file === 'mod.ts' || file === 'browser.ts',
  )
  const sources = new Map(files.map((file) => [file, readText(file)]))
  return verdict(`${files.length} files follow the layering`, [
    ...[...sources].flatMap(([file, source]) => layerProblems(file, source)),
    ...circles(sources).map((circle) => `import each other in a circle: ${circle.join(', ')}`),
  ])
}

/** Problems of one file of core/, plugins/, testing/ or bench/, or of the root's mod.ts and browser.ts. */
export function layerProblems(file: string, source: string): string[] {
  const problems: string[] = []
  for (const { specifier, index } of importsOf(source)) {
    const reason = forbidden(file, specifier)
    if (reason) problems.push(`${placeOf(file, source, index)}: imports ${specifier}: ${reason}`)
  }
  const code = codeOnly(source)
  const bun = /\bBun\./.exec(code)
  if (bun && !file.startsWith('core/native/'))
    problems.push(`${placeOf(file, source, bun.index)}: uses Bun.*, which Deno has not`)
  const exported = /^export default\b/m.exec(code)
  if (exported) problems.push(`${placeOf(file, source, exported.index)}: has a default export`)
  return problems
}

/** Groups of files that reach each other through imports, of values or of types; each group sorted. */
export function circles(sources: ReadonlyMap<string, string>): string[][] {
  const next = new Map<string, string[]>()
  for (const [file, source] of sources) {
    const targets = importsOf(source).map(({ specifier }) => posix.join(posix.dirname(file), specifier))
    next.set(
      file,
      targets.filter((target) => sources.has(target)),
    )
  }
  // Tarjan's strongly connected components.
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const found: string[][] = []
  const visit = (file: string): void => {
    order.set(file, order.size)
    lowest.set(file, order.size - 1)
    open.push(file)
    for (const target of next.get(file) ?? []) {
      if (!order.has(target)) visit(target)
      else if (!open.includes(target)) continue
      lowest.set(file, Math.min(lowest.get(file) ?? 0, lowest.get(target) ?? 0))
    }
    if (lowest.get(file) !== order.get(file)) return
    const group = open.splice(open.indexOf(file))
    if (group.length > 1 || next.get(file)?.includes(file)) found.push(group.toSorted())
  }
  for (const file of sources.keys()) if (!order.has(file)) visit(file)
  return found
}

/** What a file imports or exports from, with the place of the word. Comments and strings do not count. */
function importsOf(source: string): { readonly specifier: string; readonly index: number }[] {
  const code = codeOnly(source)
  return [...source.matchAll(IMPORT)]
    .filter(({ index }) => /^(from|import)/.test(code.slice(index)))
    .map((match) => ({ specifier: match[2], index: match.index }))
}

function forbidden(file: string, specifier: string): string | null {
  if (specifier.startsWith('bun')) return 'Bun only; use node: builtins'
  if (!specifier.startsWith('.')) return null
  if (!specifier.endsWith('.ts') && !specifier.endsWith('.json')) return 'has no .ts ending'
  const target = posix.join(posix.dirname(file), specifier)
  const [layer, plugin] = target.split('/')
  const [ownLayer, ownPlugin] = file.split('/')
  if (layer === 'core') return null
  if (ownLayer === 'core') return 'core imports core only'
  if (layer === ownLayer && (layer === 'testing' || layer === 'bench')) return null
  if (ownLayer === 'bench' && layer === 'testing') return null
  if (layer !== 'plugins')
    return `a ${ownLayer === 'plugins' ? 'plugin' : 'public module'} imports core and plugins only`
  if (plugin === ownPlugin || target === `plugins/${plugin}/mod.ts`) return null
  return `another plugin is used through plugins/${plugin}/mod.ts`
}
