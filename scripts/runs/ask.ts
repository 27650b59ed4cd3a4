/**
 * `runs pause`, `resume`, `save`, `stop`, `set-learning-rate`: asks a run that is at work, and waits for its answer.
 */
import { TrituneError } from '../../core/errors.ts'
import {
  type Control,
  type EventLine,
  isUnfinished,
  type ListedRun,
  sendControl,
  watchRun,
} from '../../plugins/runs/mod.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { out } from '../terminal/streams.ts'

export interface AskOptions {
  /** How long to wait for the answer. */
  readonly seconds: number
  readonly json: boolean
}

export async function askRunCommand(
  { folder, run }: ListedRun,
  control: Control,
  { seconds, json }: AskOptions,
): Promise<void> {
  const id = sendControl(folder, control)
  const answer = await answerOf(folder, id, seconds)
  if (answer === null)
    throw new TrituneError(
      'E_BUSY',
      `${run.run_name} has not answered after ${seconds} s: it answers after its step`,
      {
        place: folder,
        remedy: 'wait with --wait <seconds>; what was asked stands',
      },
    )
  if (answer['ok'] !== true)
    throw new TrituneError('E_BUSY', `${run.run_name} refused: ${String(answer['reason'])}`, {
      place: folder,
    })
  const what = control.action.replaceAll('_', ' ')
  if (json) writeJson({ ...answer, type: 'answer', folder, run_id: run.run_id })
  else
    out.write(
      `${run.run_name}: ${what} after step ${answer.step}${answer['value'] === undefined ? '' : `: ${String(answer['value'])}`}\n`,
    )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** null: none came in time, or the run ended without one. */
async function answerOf(folder: string, id: string, seconds: number): Promise<EventLine | null> {
  const found = Promise.withResolvers<EventLine | null>()
  // Holds the process, which a watch does not.
  const timer = setTimeout(() => found.resolve(null), 1000 * seconds)
  using _watch = watchRun(
    folder,
    ({ run, events }) => {
      const answer = events.find((event) => event.type === 'control' && event['id'] === id)
      if (answer) found.resolve(answer)
      else if (!isUnfinished(run)) found.resolve(null)
    },
    { everyMs: 50, onError: found.reject },
  )
  try {
    return await found.promise
  } finally {
    clearTimeout(timer)
  }
}
