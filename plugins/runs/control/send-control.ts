/**
 * Asks something of a run that another process trains: one line, appended to its control.jsonl.
 */
import { randomUUID } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../../../core/files/files.ts'
import { TrituneError } from '../../../core/mod.ts'
import { readRun } from '../read/read-run.ts'
import { isUnfinished } from '../record/run-record.ts'
import { type Control, CONTROL_FILE, controlFault, type ControlRequest } from './control-request.ts'

/**
 * Asks, and returns the id under which the run answers in events.jsonl, after the step that it is in.
 *
 * @throws E_USAGE for an action that is none, or a learning rate that cannot be; E_FILE where no run is; E_BUSY when the run is at its end
 * @example
 * ```ts
 * import { sendControl } from 'tritune/plugins/runs'
 *
 * const id = sendControl('./my-run', { action: 'pause' })
 * console.log(id)
 * ```
 */
export function sendControl(folder: string, control: Control): string {
  const fault = controlFault(control)
  if (fault !== null) throw new TrituneError('E_USAGE', fault)
  const run = readRun(folder)
  if (!isUnfinished(run))
    throw new TrituneError('E_BUSY', `the run is at its end (${run.status}): nobody would answer`, {
      place: folder,
      remedy: 'start or resume it first',
    })
  const request: ControlRequest = { id: randomUUID(), time: new Date().toISOString(), ...control }
  const path = join(folder, CONTROL_FILE)
  try {
    // A first newline, should somebody have left a half line.
    appendFileSync(path, `\n${JSON.stringify(request)}\n`)
  } catch (error) {
    throw fileError(error, path, 'cannot append')
  }
  return request.id
}
