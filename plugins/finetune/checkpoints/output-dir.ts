/**
 * The folder of a run belongs to one run at a time. Who has the lock puts right what killed runs left, and nobody else
 * writes there. Reading (a dry run, `generate`) needs no lock.
 */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileError } from '../../../core/files/files.ts'
import { recoverLeftovers } from '../../../core/files/leftovers.ts'
import { describeHolder, tryLock } from '../../../core/files/lock.ts'
import { TrituneError } from '../../../core/mod.ts'
import { RUN_FILE } from './earlier-run.ts'

export const LOCK_FILE = '.tritune.lock'

/**
 * Takes `output_dir` for this run until disposed; the folder is created, and removed again when nothing came into it.
 * @throws E_BUSY when another run is at work there, with its process and start; E_FILE, E_DISK
 */
export async function lockOutputDir(outputDir: string): Promise<Disposable> {
  checkOutputDir(outputDir)
  const folder = resolve(outputDir)
  const created = makeFolder(folder, outputDir)
  const { lock, holder } = await tryLock(join(folder, LOCK_FILE), { remove: true })
  if (!lock) {
    throw new TrituneError('E_BUSY', `another run is at work here: ${describeHolder(holder)}`, {
      place: outputDir,
      remedy: 'wait until it has ended, stop it, or set another output_dir',
    })
  }
  recoverLeftovers(folder, (name) => RUN_FILE.test(name))
  let isHeld = true
  return {
    [Symbol.dispose]() {
      if (!isHeld) return
      isHeld = false
      lock[Symbol.dispose]()
      if (created !== undefined) removeEmpty(folder, created)
    },
  }
}

/** Whether `output_dir` is, or can become, a folder to write into: before the first download, not at the first save. */
export function checkOutputDir(outputDir: string): void {
  const refuse = (what: string, cause?: unknown): TrituneError =>
    new TrituneError('E_FILE', what, {
      place: outputDir.replaceAll('\0', '\\0'),
      remedy: 'name another folder',
      cause,
    })
  if (outputDir.includes('\0')) throw refuse('output_dir has a NUL character in it')
  let folder = resolve(outputDir)
  try {
    while (!existsSync(folder)) folder = dirname(folder)
    if (!statSync(folder).isDirectory()) throw refuse(`output_dir needs a folder where ${folder} is a file`)
    expectWritable(folder)
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    throw refuse(`output_dir: ${folder} cannot be written to`, cause)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Deno looks at the bits of owner and group alone and refuses root, groups and lists of access: then a folder is made and removed. */
function expectWritable(folder: string): void {
  try {
    accessSync(folder, constants.W_OK)
  } catch {
    rmdirSync(mkdtempSync(join(folder, '.tritune-')))
  }
}

/** The first folder that had to be made, if any. */
function makeFolder(folder: string, outputDir: string): string | undefined {
  try {
    return mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw fileError(error, outputDir, 'cannot create output_dir')
  }
}

function removeEmpty(folder: string, first: string): void {
  try {
    for (let path = folder; path.length >= first.length; path = dirname(path)) rmdirSync(path)
  } catch {
    // Not empty: it is wanted.
  }
}
