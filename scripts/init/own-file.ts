/**
 * The way from here to a file of tritune itself, as a person would write it: links are kept, as the place that a package manager keeps a
 * version at (`node_modules/.deno/tritune@0.2.0/…`) goes with that version.
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ROOT } from '../_setup.ts'

/** In a node_modules above `folder`; undefined where that has another tritune or none. */
export function installedFile(name: string, folder: string): string | undefined {
  const own = ROOT + name
  if (!existsSync(own)) return undefined
  for (let above = resolve(folder); ; above = dirname(above)) {
    const file = join(above, 'node_modules/tritune', name)
    if (existsSync(file) && realpathSync(file) === realpathSync(own)) return file
    if (dirname(above) === above) return undefined
  }
}

/** From the working folder where that is the shorter way. */
export function ownFile(name: string): string {
  const path = installedFile(name, process.cwd()) ?? ROOT + name
  const near = relative(process.cwd(), path)
  return near.length < path.length ? `./${near}`.replace(/^\.\/\.\.\//, '../').replaceAll('\\', '/') : path
}
