/**
 * The phases of a hybrid run, and which may follow which.
 *
 *   warmup ──> full <──────── correct
 *              │ ^ rejected      ^
 *              v │               │ accepted
 *              predict ──────────┘
 */

/**
 * `warmup`: plain steps, from which the first guesses come. `full`: a plain step. `predict`: a move is proposed and measured. `correct`: the step after
 * one that was accepted.
 */
export type Phase = 'warmup' | 'full' | 'predict' | 'correct'

/** Which phases may follow each; nothing else is legal. */
export const TRANSITIONS: Readonly<Record<Phase, readonly Phase[]>> = {
  warmup: ['full'],
  full: ['predict'],
  predict: ['correct', 'full'],
  correct: ['full'],
}

/** Where a run is. */
export interface Phases {
  readonly now: Phase
  /** Throws for a transition that is not in the table. */
  enter(phase: Phase): void
  /** Where a checkpoint left off. */
  restore(phase: Phase): void
}

/**
 * Starts in `warmup`; `onEnter` is told of each transition.
 */
export function createPhases(onEnter?: (from: Phase, to: Phase) => void): Phases {
  let now: Phase = 'warmup'
  return {
    get now() {
      return now
    },
    enter(phase) {
      if (!TRANSITIONS[now].includes(phase)) throw new Error(`${phase} does not follow ${now}`)
      const from = now
      now = phase
      onEnter?.(from, phase)
    },
    restore(phase) {
      now = phase
    },
  }
}
