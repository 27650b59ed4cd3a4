/**
 * control.jsonl: what whoever watches a run asks of it, a line each, appended. The run answers in events.jsonl (`type: control`, with the same id).
 *
 * One file, so that it works from any process and needs no port. Whoever can write into the folder of a run can ask; nobody else.
 */
import { looseObject } from '../files/loose-object.ts'

/** The file in the folder of a run. */
export const CONTROL_FILE = 'control.jsonl'

/** What a run can be asked between two steps. */
export type ControlAction = 'pause' | 'resume' | 'save' | 'stop' | 'set_learning_rate'

/** Each, for error messages and menus. */
export const CONTROL_ACTIONS: readonly ControlAction[] = [
  'pause',
  'resume',
  'save',
  'stop',
  'set_learning_rate',
]

/** What is asked. */
export type Control =
  | { readonly action: Exclude<ControlAction, 'set_learning_rate'> }
  /** As if `learning_rate` of the file were `value` from here on: the schedule goes on below it. */
  | { readonly action: 'set_learning_rate'; readonly value: number }

/** A line of control.jsonl. */
export type ControlRequest = Control & {
  readonly id: string
  /** ISO date. */
  readonly time: string
}

/** Why something cannot be asked; null: it can. */
export function controlFault(control: { readonly action: string; readonly value?: unknown }): string | null {
  const { action, value } = control
  if (!CONTROL_ACTIONS.some((known) => known === action))
    return `there is no action "${action}": ${CONTROL_ACTIONS.join(', ')}`
  if (action !== 'set_learning_rate') return null
  if (typeof value === 'number' && Number.isFinite(value) && value > 0 && value <= 1e3) return null
  return `set_learning_rate: expected a number above 0 and at most 1000, got ${JSON.stringify(value) ?? 'nothing'}`
}

/** A line as it was read. What cannot be asked says why in `fault`; undefined: not even who asks is told. */
export function parseControl(line: unknown): ControlRequest | UnfitControl | undefined {
  const { text, number, fields } = looseObject(line)
  const [id, action, time] = [text('id', null), text('action', ''), text('time', '')]
  if (id === null || id === '') return undefined
  const fault = controlFault({ action, value: fields['value'] })
  if (fault !== null) return { id, action, fault }
  if (action === 'set_learning_rate') return { id, time, action, value: number('value', 0) }
  const known = CONTROL_ACTIONS.find((one) => one === action)
  return known === undefined || known === 'set_learning_rate' ? undefined : { id, time, action: known }
}

/** Something that cannot be asked. */
export interface UnfitControl {
  readonly id: string
  readonly action: string
  readonly fault: string
}
