/**
 * The remedy for a damaged checkpoint: the one before it, by its name, if there is one.
 */
import { dirname, resolve } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'

const DAMAGED = 'the checkpoint is damaged: '

/** Runs; where it says that the checkpoint in `folder` is damaged, the remedy names the newest older one beside it. */
export function namingOlder<T>(folder: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof TrituneError) || !error.message.includes(DAMAGED)) throw error
    const [first] = error.message.split('\n')
    const { code, place, cause } = error
    const said = place === undefined ? '' : `${place}: `
    const what = first.startsWith(said) ? first.slice(said.length) : first
    throw new TrituneError(code, what, { place, remedy: remedyFor(folder), cause })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function remedyFor(folder: string): string {
  const beside = listCheckpoints(dirname(resolve(folder)))
  const own = beside.findIndex((other) => resolve(other.folder) === resolve(folder))
  const older = beside.slice(0, Math.max(0, own)).at(-1)
  return older === undefined
    ? 'there is no older checkpoint beside it: start a new run with --overwrite or another output_dir'
    : `resume from the one before it: --set resume_from_checkpoint=${older.folder}`
}
