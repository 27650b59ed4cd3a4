/**
 * The run that somebody means: its folder, or its name or the beginning of its id, as the index knows it.
 */
import { resolve } from 'node:path'
import { statSync } from 'node:fs'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { isRun, type ListedRun, readRun, type RunIndex } from '../../plugins/runs/mod.ts'
import { distinctRuns, runsBelow } from './below.ts'
import { nearPath } from './list.ts'

/** Of several the one below the current folder. E_NAME when no run, or more than one, is meant. */
export function findRun(named: string, index: RunIndex): ListedRun {
  if (isRun(named)) return { folder: resolve(named), run: readRun(named) }
  const all = distinctRuns(index.runs())
  const found = all.filter(
    ({ run }) => run.run_name === named || (run.run_id !== '' && run.run_id.startsWith(named)),
  )
  if (found.length === 0) throw noRun(named, all)
  const here = runsBelow(found, ['.'])
  const meant = here.length > 0 ? here : found
  if (meant.length === 1) return meant[0]
  // A copy of a folder has the id of what it is a copy of.
  const isToldById = new Set(meant.map(({ run }) => run.run_id)).size === meant.length
  const shown = meant.slice(0, MOST_SHOWN).map(({ folder, run }) => `${nearPath(folder)} (${run.run_id})`)
  throw new TrituneError('E_NAME', `"${named}" is the name of ${meant.length} runs`, {
    remedy: `name one by its folder${isToldById ? ' or id' : ''}: ${shown.join(', ')}${meant.length > MOST_SHOWN ? ', …' : ''}`,
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const MOST_SHOWN = 8

function noRun(named: string, all: readonly ListedRun[]): TrituneError {
  if (statSync(named, { throwIfNoEntry: false })?.isDirectory() === true)
    return new TrituneError('E_NAME', 'this folder is no run: no run wrote into it', {
      place: resolve(named),
      remedy: `name the output_dir of a run; those below it: ${invocation('runs list')} ${named}`,
    })
  return new TrituneError('E_NAME', `there is no run "${named}": neither a folder nor a run that is known`, {
    remedy:
      all.length === 0
        ? `name its folder, or make the runs below a folder known: ${invocation('runs list')} <folder>`
        : didYouMean(
            named,
            all.map(({ run }) => run.run_name),
          ),
  })
}
