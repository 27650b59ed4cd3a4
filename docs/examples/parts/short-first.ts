/**
 * A sampler: short examples first in the first epoch, in the order of the files afterwards.
 */
import { defineOptions, definePlugin, type Plugin, type SamplerDefinition } from 'tritune/core'

const shortFirst: SamplerDefinition<object> = {
  name: 'short-first',
  options: defineOptions({}),
  create: (_options, { lengths }) => ({
    order(epoch) {
      const order = Int32Array.from(lengths.keys())
      return epoch > 0 ? order : order.toSorted((a, b) => lengths[a] - lengths[b] || a - b)
    },
  }),
}

export const plugin: Plugin = definePlugin({ name: 'short-first', provides: { sampler: { 'short-first': shortFirst } } })
