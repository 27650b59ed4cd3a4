/**
 * What a hybrid run has spent, in forward passes of a window, and what plain steps gave for it. Not seconds: a run that goes on from a checkpoint must
 * decide as the one that was not interrupted.
 */
import { type JsonValue, jsonField } from '../../core/mod.ts'

/** A step with an adapter: forward, and a backward pass that needs no gradients of the frozen weights. */
export const STEP_COST = 2

/** The window before a move and after it. */
export const GATE_COST = 2

const SMOOTHING = 0.9

/** Costs and the rate of gain of plain steps. */
export interface Ledger {
  /** A plain step with its loss. */
  step(loss: number): void
  /** A measurement. */
  measured(): void
  /** What the plain steps since the last call gave for one forward pass; 0 where the loss rose. */
  plainGain(): number
  /** Another measurement stays within the share. */
  affords(share: number): boolean
  saveState(): JsonValue
  loadState(saved: JsonValue): void
}

export function createLedger(): Ledger {
  let spent = 0
  let onGates = 0
  let loss: number | null = null
  let mark: { readonly loss: number; readonly spent: number } | null = null
  return {
    step(value) {
      spent += STEP_COST
      loss = loss === null ? value : SMOOTHING * loss + (1 - SMOOTHING) * value
      mark ??= { loss, spent }
    },
    measured() {
      onGates += GATE_COST
    },
    plainGain() {
      if (loss === null || mark === null || spent === mark.spent) return 0
      const gain = (mark.loss - loss) / (spent - mark.spent)
      mark = { loss, spent }
      return Math.max(0, gain)
    },
    affords: (share) => onGates + GATE_COST <= share * (spent + onGates + GATE_COST),
    saveState: () => ({ spent, onGates, loss, mark: mark && { ...mark } }),
    loadState(saved) {
      const number = (state: JsonValue, name: string): number => Number(jsonField(state, name))
      spent = number(saved, 'spent')
      onGates = number(saved, 'onGates')
      loss = jsonField(saved, 'loss') === null ? null : number(saved, 'loss')
      const marked = jsonField(saved, 'mark')
      mark = marked === null ? null : { loss: number(marked, 'loss'), spent: number(marked, 'spent') }
    },
  }
}
