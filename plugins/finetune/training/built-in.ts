/**
 * What the trainer provides itself, under the same kinds of names as a plugin does: optimizers, transforms, objectives.
 */
import {
  adamw,
  type AdamWOptions,
  type Capabilities,
  clipByGlobalNorm,
  decimal,
  defineOptions,
  definePlugin,
  optional,
  type Plugin,
  type TransformDefinition,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { crossEntropy } from './cross-entropy.ts'
import { eaft } from './eaft.ts'
import { keepZeros } from './keep-zeros.ts'
import { lisa } from './lisa.ts'

interface AdamwFields {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
}

const adamwOptions: ValidatableConfig<AdamwFields> = defineOptions({
  beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
  beta2: optional(decimal({ min: 0, below: 1 }), 0.999),
  eps: optional(decimal({ above: 0 }), 1e-8),
})

function adamwDefinition(name: string, states: AdamWOptions['states']): TransformDefinition<AdamwFields> {
  return {
    name,
    divides: 'elements',
    options: adamwOptions,
    create: (options, { weightDecay, decays, sizeOf }) =>
      adamw({ ...options, states, weightDecay, decays, sizeOf }),
  }
}

const clip: TransformDefinition<{ readonly max_norm: number }> = {
  name: 'clip',
  options: defineOptions({ max_norm: optional(decimal({ min: 0 }), 1) }),
  create: ({ max_norm }) => clipByGlobalNorm(max_norm),
}

const optimizers = {
  adamw: adamwDefinition('adamw', 'f32'),
  adamw_8bit: adamwDefinition('adamw_8bit', '8bit'),
}

/**
 * The plugin of what the trainer itself provides: `adamw`, `adamw_8bit`, `clip`, `keep_zeros`, `lisa`, `cross_entropy`, `eaft`.
 */
export const training: Plugin & {
  readonly provides: {
    readonly optimizer: Readonly<Record<'adamw' | 'adamw_8bit', Capabilities['optimizer']>>
    readonly transform: Readonly<Record<'clip' | 'keep_zeros', Capabilities['transform']>>
    readonly strategy: { readonly lisa: Capabilities['strategy'] }
    readonly objective: Readonly<Record<'cross_entropy' | 'eaft', Capabilities['objective']>>
  }
} = /* @__PURE__ */ definePlugin({
  name: 'training',
  provides: {
    optimizer: optimizers,
    transform: { clip, keep_zeros: keepZeros },
    strategy: { lisa },
    objective: { cross_entropy: crossEntropy, eaft },
  },
})
