/**
 * What a method could be mistaken for: a longer step, and more time.
 */
import { mean } from '../_measure.ts'
import { ADAMW } from './method.ts'
import type { Compared } from './rows.ts'
import type { Outcome } from './train-once.ts'
import { atRate, type Setting, type Tuned } from './tuning.ts'

/** The rate of a tuned AdamW times 1 + p / f, of p predicted steps and f computed ones: not tuned again. */
export function longerSteps(
  setting: Setting,
  { plain, of, steps }: { readonly plain: Tuned; readonly of: Compared; readonly steps: number },
): { readonly name: string; readonly tuned: Tuned } {
  const factor = 1 + mean(of.tuned.outcomes.map(({ predicted, backwards }) => predicted / backwards))
  const rate = Number((factor * plain.rate).toPrecision(4))
  return {
    name: `adamw at rate × ${factor.toFixed(2)}, 1 + p/f of "${of.name}"`,
    tuned: { rate, isInterior: true, outcomes: atRate(setting, ADAMW, steps, rate) },
  }
}

/** A tuned AdamW for as many seconds of the processor as another way takes, with the rate of its own budget. */
export function equalSeconds(
  setting: Setting,
  { plain, of, steps }: { readonly plain: Tuned; readonly of: Compared; readonly steps: number },
): { readonly name: string; readonly steps: number; readonly tuned: Tuned } {
  const seconds = ({ outcomes }: { readonly outcomes: readonly Outcome[] }): number =>
    mean(outcomes.map(({ cpuSeconds }) => cpuSeconds))
  const longer = Math.max(1, Math.round((steps * seconds(of.tuned)) / seconds(plain)))
  return {
    name: `adamw for as many seconds as "${of.name}" (${longer} steps)`,
    steps: longer,
    tuned: { ...plain, outcomes: atRate(setting, ADAMW, longer, plain.rate) },
  }
}
