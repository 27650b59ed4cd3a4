/**
 * What of tritune can be imported, and the modules that are started. Everything else that travels is what these import.
 */
import { existsSync, readdirSync } from 'node:fs'
import { ROOT } from '../_setup.ts'

/** `./plugins/data` → `plugins/data/mod.ts`; for `exports`. */
export function entryPoints(): Readonly<Record<string, string>> {
  const plugins = readdirSync(`${ROOT}plugins`).filter((name) => existsSync(`${ROOT}plugins/${name}/mod.ts`))
  return {
    '.': 'mod.ts',
    './core': 'core/mod.ts',
    './browser': 'browser.ts',
    ...Object.fromEntries(plugins.toSorted().map((name) => [`./plugins/${name}`, `plugins/${name}/mod.ts`])),
    ...Object.fromEntries(
      ['testing', 'bench'].flatMap((room) =>
        existsSync(`${ROOT}${room}/mod.ts`) ? [[`./${room}`, `${room}/mod.ts`]] : [],
      ),
    ),
  }
}

/** The command, and the threads of commands, which are started by their address. */
export const STARTED: readonly string[] = [
  'scripts/tritune.ts',
  'scripts/terminal/signal-watcher.ts',
  'scripts/terminal/json-writer.ts',
]
