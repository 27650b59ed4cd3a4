/**
 * The objectives of this folder as a plugin: each under the name by which a run's file asks for it.
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { cpo } from './losses/cpo.ts'
import { dpo } from './losses/dpo.ts'
import { kto } from './losses/kto.ts'
import { distillation } from './losses/distillation.ts'
import { orpo } from './losses/orpo.ts'
import { reward } from './losses/reward.ts'
import { PREFERENCE_TYPES } from './types/preference-types.ts'

/** Names of the objectives that `preference` provides. */
export type PreferenceObjective = 'cpo' | 'distillation' | 'dpo' | 'kto' | 'orpo' | 'reward'

/** The plugin of losses over preferences and of the dataset types that they take. */
export const preference: Plugin & {
  readonly provides: {
    readonly objective: Readonly<Record<PreferenceObjective, Capabilities['objective']>>
    readonly dataset: Readonly<Record<string, Capabilities['dataset']>>
  }
} = /* @__PURE__ */ definePlugin({
  name: 'preference',
  provides: { objective: { cpo, distillation, dpo, kto, orpo, reward }, dataset: PREFERENCE_TYPES },
})
