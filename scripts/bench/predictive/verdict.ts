/**
 * What may be said of the rows: faster where the whole interval is above 1, and no accelerator where the no-op does as well.
 */
import type { Interval } from './frontier.ts'
import type { Compared } from './rows.ts'

/** `faster` and `slower`: the whole interval lies on one side of 1. */
export type Claim = 'faster' | 'slower' | 'within what seeds differ by'

export function claimOf({ low, high }: Interval): Claim {
  return low > 1 ? 'faster' : high < 1 ? 'slower' : 'within what seeds differ by'
}

/** Beside a tuned AdamW. */
export function sentence({ name, speed, isOutside }: Compared): string {
  const { mean, low, high } = speed
  const range = `${low.toFixed(2)} … ${high.toFixed(2)}`
  const claim = claimOf(speed)
  const said =
    claim === 'faster'
      ? `${mean.toFixed(2)} × as fast as a tuned AdamW`
      : claim === 'slower'
        ? `${(100 * (1 - mean)).toFixed(0)} % slower than a tuned AdamW`
        : 'not told from a tuned AdamW'
  return `${name}: ${said} (${range})${isOutside ? ', partly outside of the frontier' : ''}`
}

/**
 * Why it is no accelerator: it misses the floor, it is not faster by its whole interval, it has kept no guess, or it does no better when all guesses are refused. None of
 * them: it stands. `noOp` is the same with all guesses refused; null: it was not run.
 */
export function withdrawn({
  hybrid,
  noOp,
  floor,
}: {
  readonly hybrid: Compared
  readonly noOp: Compared | null
  readonly floor: number
}): readonly string[] {
  const { low, high, mean } = hybrid.speed
  const { outcomes } = hybrid.tuned
  const refused = noOp?.speed.mean ?? Number.NaN
  return [
    ...(mean < floor ? [`it is below ${floor} × a tuned AdamW`] : []),
    ...(claimOf(hybrid.speed) === 'faster' ? [] : ['it is not faster']),
    ...(outcomes.every(({ kept }) => kept === 0) ? ['it kept no guess'] : []),
    ...(refused >= low && refused <= high ? ['refusing all guesses does as well'] : []),
    ...(refused > high ? ['refusing all guesses does better'] : []),
  ]
}
