/** The words that start the command `tritune` as this process was started: the same runtime, the same files. */
import { fileURLToPath } from 'node:url'
import { siblingModule } from '../_sibling.ts'

export function ownCommand(): string[] {
  const script = fileURLToPath(siblingModule('../tritune', import.meta.url))
  return 'Deno' in globalThis ? [process.execPath, 'run', '-A', script] : [process.execPath, script]
}
