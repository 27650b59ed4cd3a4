/**
 * The objective `grpo`: the clipped loss of the completions that a step is made of.
 */
import { add, affine, type Objective, tensor } from '../../core/mod.ts'
import { completionLogProbs } from './completion-log-probs.ts'
import { grpoLoss } from './loss.ts'
import type { GrpoOptions } from './options.ts'
import { type RolloutNumbers, rolloutNumbers } from './rollout-example.ts'

/** Takes batches of examples that `rolloutExample()` made; E_DATA for others. */
export function createGrpoObjective(options: GrpoOptions): Objective {
  const { temperature } = options
  return {
    name: 'grpo',
    loss(model, { tokens, examples }, { checkpointing, window }) {
      const { device } = tokens.ids
      const all = examples.map((example) => {
        const about = rolloutNumbers(example)
        return { about, length: example.ids.length - about.promptLength }
      })
      const numbers = (pick: (about: RolloutNumbers, i: number) => number): ReturnType<typeof tensor> =>
        tensor(
          all.flatMap(({ about, length }) => Array.from({ length }, (_, i) => pick(about, i))),
          { device },
        )
      const logProbs = completionLogProbs(model, tokens, examples, { temperature, checkpointing })
      const hasOld = all.every(({ about: { old } }) => old !== null)
      const hasReference = all.every(({ about: { reference } }) => reference !== null)
      const { loss, kl, clippedLow, clippedHigh } = grpoLoss(
        {
          logProbs,
          advantages: numbers(({ advantage }) => advantage),
          weights: numbers(({ weight }) => weight),
          old: hasOld ? numbers(({ old }, i) => old?.[i] ?? 0) : null,
          reference: hasReference ? numbers(({ reference }, i) => reference?.[i] ?? 0) : null,
        },
        options,
      )
      const share = { scale: 1 / Math.max(1, countedTokens(window)) }
      const [low, high] = [affine(clippedLow, share), affine(clippedHigh, share)]
      return {
        loss,
        log: {
          ...(kl && { kl: affine(kl, share) }),
          'clip_ratio/low_mean': low,
          'clip_ratio/high_mean': high,
          'clip_ratio/region_mean': add(low, high),
        },
      }
    },
  }
}

/** Tokens that count in a step. */
function countedTokens(window: Parameters<Objective['loss']>[2]['window']): number {
  return window.reduce((sum, example) => {
    const { weight, promptLength } = rolloutNumbers(example)
    return sum + (weight > 0 ? example.ids.length - promptLength : 0)
  }, 0)
}
