/**
 * my-strategy: no backward pass where the loss of a window is already far below the running mean.
 *
 * A strategy wraps the step: `next()` is the whole of it; `evaluate()`, `backward()` and `update()` are its parts.
 */
import {
  decimal,
  defineOptions,
  definePlugin,
  jsonField,
  optional,
  type Plugin,
  type StrategyDefinition,
} from 'tritune/core'

export interface MyStrategyOptions {
  /** A window is skipped below this part of the mean. */
  readonly below: number
}

export const myStrategy: StrategyDefinition<MyStrategyOptions> = {
  name: 'my-strategy',
  options: defineOptions({ below: optional(decimal({ min: 0 }), 0.5) }),
  create({ below }) {
    let mean: number | null = null
    return {
      step({ evaluate }, next) {
        const loss = evaluate()
        const easy = mean !== null && loss < below * mean
        mean = mean === null ? loss : 0.9 * mean + 0.1 * loss
        if (easy) return { loss, metrics: { skipped: 1 } }
        const result = next()
        return { ...result, metrics: { ...result.metrics, skipped: 0 } }
      },
      saveState: () => ({ mean }),
      loadState(state) {
        const saved = jsonField(state, 'mean')
        mean = typeof saved === 'number' ? saved : null
      },
    }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'my-strategy',
  provides: { strategy: { 'my-strategy': myStrategy } },
})
