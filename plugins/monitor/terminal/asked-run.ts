/**
 * What the run that is shown was asked and has not answered: it is told as long as that is so. It asks nothing itself.
 */
import { type Control, isUnfinished, type RunChange } from '../../runs/mod.ts'
import type { Dialogue } from './dialogue.ts'

/** Follows the answers of one run. */
export interface AskedRun {
  /** `id`: of what was asked just now. */
  onAsked(id: string, control: Control): void
  onChange(change: Pick<RunChange, 'run' | 'events'>): void
  /** Another run is shown. */
  forget(): void
}

/** Tells by `dialogue`. What was done stands in the log of the run; a refusal is told. */
export function createAskedRun(dialogue: Pick<Dialogue, 'tell' | 'untell'>): AskedRun {
  const waiting = new Map<string, { readonly what: string; readonly told: string }>()
  const answered = (id: string, refusal: string | null): void => {
    const asked = waiting.get(id)
    if (asked === undefined) return
    waiting.delete(id)
    dialogue.untell(asked.told)
    if (refusal !== null) dialogue.tell(`refused: ${asked.what}: ${refusal}`)
  }
  return {
    onAsked(id, { action }) {
      const what = action.replaceAll('_', ' ')
      const told = `asked: ${what}; the run answers after its step`
      waiting.set(id, { what, told })
      dialogue.tell(told)
    },
    onChange({ run, events }) {
      for (const { type, id, ok, reason } of events)
        if (type === 'control' && typeof id === 'string')
          answered(id, ok === true ? null : String(reason ?? ''))
      if (isUnfinished(run)) return
      for (const id of waiting.keys()) answered(id, `the run is ${run.status}, and did not answer`)
    },
    forget() {
      for (const { told } of waiting.values()) dialogue.untell(told)
      waiting.clear()
    },
  }
}
