/**
 * The optimizers of this folder as a plugin: each under the name by which a run's file asks for it.
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { adafactorDefinition } from './adafactor.ts'
import { lionDefinition } from './lion.ts'
import { muonDefinition } from './muon.ts'
import { rmspropDefinition } from './rmsprop.ts'
import { scheduleFreeDefinition } from './schedule-free.ts'
import { sgdDefinition } from './sgd.ts'
import { soapDefinition } from './soap.ts'

/** Names of the optimizers that `optimizers` provides. */
export type ProvidedOptimizer =
  | 'adafactor'
  | 'lion'
  | 'lion_8bit'
  | 'muon'
  | 'rmsprop'
  | 'schedule_free_adamw'
  | 'sgd'
  | 'soap'

/** The plugin of `adafactor`, `lion`, `lion_8bit`, `muon`, `rmsprop`, `schedule_free_adamw`, `sgd` and `soap`. */
export const optimizers: Plugin & {
  readonly provides: { readonly optimizer: Readonly<Record<ProvidedOptimizer, Capabilities['optimizer']>> }
} = /* @__PURE__ */ definePlugin({
  name: 'optimizers',
  provides: {
    optimizer: {
      adafactor: adafactorDefinition,
      lion: lionDefinition('lion', 'f32'),
      lion_8bit: lionDefinition('lion_8bit', '8bit'),
      muon: muonDefinition,
      rmsprop: rmspropDefinition,
      schedule_free_adamw: scheduleFreeDefinition,
      sgd: sgdDefinition,
      soap: soapDefinition,
    },
  },
})
