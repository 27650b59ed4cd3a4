/**
 * What a binary does first: unpacks what it carries into the cache folder, once for each version, and goes on with that as an installed package
 * would. Children that it starts by `process.execPath` are the runtime that is in it.
 */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { cacheFolder } from '../../core/files/cache-folder.ts'
import { createFolder, temporaryName } from '../../core/files/files.ts'
import { rename } from '../../core/files/rename.ts'
import { isUnpacked, unpackFiles } from './payload.ts'

/** `payload` is the file in the binary, `name` tells one content from another. */
export async function start(payload: string, name: string): Promise<void> {
  try {
    const folder = unpacked(join(cacheFolder(), 'binary', name), () => readFileSync(payload))
    const script = join(folder, 'node_modules/tritune/scripts/tritune.js')
    process.env['TRITUNE_BINARY'] = process.execPath
    process.env['BUN_BE_BUN'] = '1'
    process.argv[1] = script
    await import(pathToFileURL(script).href)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    process.stderr.write(`error: ${error.message}\n`)
    process.exitCode = 1
  }
}

/** The folder with all files of the payload in it: as it is, or unpacked now. E_FILE where it cannot be written. */
export function unpacked(folder: string, read: () => Uint8Array): string {
  if (existsSync(folder) && isWhole(folder, read)) return folder
  try {
    unpack(folder, read())
  } catch (cause) {
    if (cause instanceof TrituneError && cause.code === 'E_FORMAT') throw cause
    throw new TrituneError(
      'E_FILE',
      `cannot unpack what this program carries: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`,
      { place: folder, remedy: 'set TRITUNE_CACHE to a folder that can be written', cause },
    )
  }
  return folder
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Beside the files: nothing of them was lost when the machine stopped. */
const CHECKED = 'checked'

/**
 * Thousands of small files are not flushed one by one, which would take longer than all else. What the machine has written since it started it gives
 * back; of what is from before that, sizes are compared, once.
 */
function isWhole(folder: string, read: () => Uint8Array): boolean {
  const started = Date.now() - 1000 * uptime()
  if (existsSync(join(folder, CHECKED)) || statSync(folder).mtimeMs > started) return true
  if (!isUnpacked(read(), folder)) return false
  try {
    writeFileAtomic(join(folder, CHECKED), '')
  } catch {
    // A folder that cannot be written is compared each time.
  }
  return true
}

function unpack(folder: string, payload: Uint8Array): void {
  createFolder(dirname(folder))
  const temporary = temporaryName(folder)
  try {
    unpackFiles(payload, temporary)
    // Another process may have been faster, and runs from there.
    if (existsSync(folder) && isUnpacked(payload, folder)) return
    rmSync(folder, { recursive: true, force: true })
    rename(temporary, folder)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
