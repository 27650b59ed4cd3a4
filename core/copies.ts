/**
 * Two copies of tritune in one program: a plugin that brings a second one has other tensors, scopes and tapes than the run.
 *
 * Plugins and tensors carry the place of the core that made them; where the places differ, that is said instead of what would go wrong later.
 */
import { TrituneError } from './errors.ts'

/** The same symbol in every copy. */
const MARK: unique symbol = Symbol.for('tritune.core')

/** Where this copy is: the folder above core/. */
function ownPlace(): string {
  const url = new URL('..', import.meta.url)
  return url.protocol === 'file:' ? pathOf(url.pathname) : url.href
}

/** As `fileURLToPath` of node:url, which a page does not have. */
function pathOf(pathname: string): string {
  const path = decodeURIComponent(pathname)
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1).replaceAll('/', '\\') : path
}

/** Says which copy made an object; one that is frozen stays as it is. */
export function markCore(made: object): void {
  if (Object.isExtensible(made)) Object.defineProperty(made, MARK, { value: ownPlace() })
}

/** E_PLUGIN naming both places when `made` carries the mark of another copy. `place`: where `made` was asked for. */
export function expectSameCore(subject: string, made: object, place?: string): void {
  const other: unknown = Reflect.get(made, MARK)
  const own = ownPlace()
  if (other === undefined || other === own) return
  throw new TrituneError(
    'E_PLUGIN',
    `${subject} comes from a second copy of tritune: ${String(other)}, and this is ${own}`,
    { place, remedy: remedyFor(String(other)) },
  )
}

/** A copy in a node_modules of its own comes of a plugin that lists tritune among its dependencies, or of two installs. */
function remedyFor(other: string): string {
  const nested = /^(.*)[\\/]node_modules[\\/]tritune[\\/]?$/.exec(other)?.[1]
  const use = 'run the command of the copy that the plugin finds, or link that to this one'
  return nested === undefined
    ? use
    : `${use}; in the plugin's package.json tritune belongs under peerDependencies, then remove ${other} and install again in the folder of the run`
}
