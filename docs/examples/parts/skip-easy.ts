/**
 * A strategy: a window whose loss is far below the running mean is not worth a backward pass.
 */
import {
  decimal,
  defineOptions,
  definePlugin,
  type Plugin,
  jsonField,
  optional,
  type StrategyDefinition,
} from 'tritune/core'

const skipEasy: StrategyDefinition<{ readonly below: number }> = {
  name: 'skip-easy',
  options: defineOptions({ below: optional(decimal({ min: 0 }), 0.5) }),
  create({ below }) {
    let mean: number | null = null
    return {
      step({ evaluate }, next) {
        const loss = evaluate()
        const skipped = mean !== null && loss < below * mean
        mean = mean === null ? loss : 0.9 * mean + 0.1 * loss
        return skipped ? { loss, metrics: { skipped: 1 } } : next()
      },
      saveState: () => ({ mean }),
      loadState(state) {
        const saved = jsonField(state, 'mean')
        mean = typeof saved === 'number' ? saved : null
      },
    }
  },
}

export const plugin: Plugin = definePlugin({ name: 'skip-easy', provides: { strategy: { 'skip-easy': skipEasy } } })
