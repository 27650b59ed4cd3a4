/**
 * Who may import whom: core stands alone, a plugin imports core and the `mod.ts` of other plugins. Runtime code uses
 * `node:` builtins only, so that it runs under Bun and Deno. Import cycles are the linter's business.
 */
import { posix } from 'node:path'
import { codeOnly, placeOf, readText, repositoryFiles, type Verdict, verdict } from './_files.ts'

const IMPORT = /\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g

export function checkLayers(): Verdict {
  const files = repositoryFiles().filter((file) => /^(core|plugins)\/.*\.ts$/.test(file) || file === 'mod.ts')
  return verdict(
    `${files.length} files follow the layering`,
    files.flatMap((file) => layerProblems(file, readText(file))),
  )
}

/** Problems of one file of core/ or plugins/, or of the root's mod.ts. */
export function layerProblems(file: string, source: string): string[] {
  const problems: string[] = []
  const code = codeOnly(source)
  for (const match of source.matchAll(IMPORT)) {
    // Inside of a comment or of a string the word is gone from `code`.
    if (!/^(from|import)/.test(code.slice(match.index))) continue
    const reason = forbidden(file, match[2])
    if (reason) problems.push(`${placeOf(file, source, match.index)}: imports ${match[2]}: ${reason}`)
  }
  const bun = /\bBun\./.exec(code)
  if (bun && !file.startsWith('core/native/'))
    problems.push(`${placeOf(file, source, bun.index)}: uses Bun.*, which Deno has not`)
  const exported = /^export default\b/m.exec(code)
  if (exported) problems.push(`${placeOf(file, source, exported.index)}: has a default export`)
  return problems
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
  if (layer !== 'plugins')
    return `a ${ownLayer === 'plugins' ? 'plugin' : 'public module'} imports core and plugins only`
  if (plugin === ownPlugin || target === `plugins/${plugin}/mod.ts`) return null
  return `another plugin is used through plugins/${plugin}/mod.ts`
}
