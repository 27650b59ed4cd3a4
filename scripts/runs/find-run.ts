/**
 * The run that somebody means: its folder, or its name or the beginning of its id, as the index knows it.
 */
import { resolve } from 'node:path'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { isRun, type ListedRun, readRun, type RunIndex } from '../../plugins/runs/mod.ts'

/** E_NAME when no run, or more than one, is meant. */
export function findRun(named: string, index: RunIndex): ListedRun {
  if (isRun(named)) return { folder: resolve(named), run: readRun(named) }
  const all = index.runs()
  const found = all.filter(
    ({ run }) => run.run_name === named || (run.run_id !== '' && run.run_id.startsWith(named)),
  )
  if (found.length === 1) return found[0]
  if (found.length === 0)
    throw new TrituneError('E_NAME', `there is no run "${named}": neither a folder nor a run that is known`, {
      remedy:
        all.length === 0
          ? `name its folder, or make the runs below a folder known: ${invocation('runs list')} <folder>`
          : didYouMean(
              named,
              all.map(({ run }) => run.run_name),
            ),
    })
  throw new TrituneError('E_NAME', `"${named}" is the name of ${found.length} runs`, {
    remedy: `name one by its id: ${found.map(({ run }) => run.run_id).join(', ')}`,
  })
}
