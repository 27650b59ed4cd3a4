/**
 * `rl:` and the keys that go with it, as axolotl has them: which objective they ask for, with which options, and what does not go together.
 */
import {
  decimal,
  flag,
  listOf,
  nullable,
  type NullableField,
  oneOf,
} from '../../../core/contracts/config-fields.ts'
import type { ConfigFailure, ConfigPath } from '../../../core/contracts/config.ts'
import { DPO_LOSSES, type DpoLossName, LATER_DPO_LOSSES } from '../../preference/mod.ts'
import type { Named } from './named.ts'

/** Names of the objectives that are built in. */
export const OBJECTIVES = ['cross_entropy', 'dpo', 'orpo', 'kto', 'cpo'] as const

/** Values of `rl`. `cpo` is not one of axolotl's. */
export const RL_NAMES = ['dpo', 'ipo', 'orpo', 'kto', 'simpo', 'cpo', 'grpo'] as const

/** A value of `rl`. */
export type RlName = (typeof RL_NAMES)[number]

const LATER_RL = ['gdpo', 'ebft']

/** The keys of training from preferences; null: not given. */
export interface PreferenceKeys {
  /** What is trained from pairs of answers or from answers with labels; null: the objective alone says. */
  readonly rl: RlName | null
  /** How far the model may go from the reference; null: 0.1. */
  readonly rl_beta: number | null
  readonly dpo_loss_type: readonly DpoLossName[] | null
  readonly dpo_loss_weights: readonly number[] | null
  readonly dpo_label_smoothing: number | null
  readonly precompute_ref_log_probs: boolean | null
  readonly orpo_alpha: number | null
  readonly simpo_gamma: number | null
  readonly cpo_alpha: number | null
  readonly kto_desirable_weight: number | null
  readonly kto_undesirable_weight: number | null
}

/** The fields of the schema. */
export const preferenceFields: {
  readonly [K in keyof PreferenceKeys]: NullableField<NonNullable<PreferenceKeys[K]>, PreferenceKeys[K]>
} = {
  rl: nullable(oneOf(RL_NAMES, { later: LATER_RL })),
  rl_beta: nullable(decimal({ above: 0 })),
  dpo_loss_type: nullable(listOf(oneOf(DPO_LOSSES, { later: LATER_DPO_LOSSES }))),
  dpo_loss_weights: nullable(listOf(decimal())),
  dpo_label_smoothing: nullable(decimal({ min: 0, below: 0.5 })),
  precompute_ref_log_probs: nullable(flag()),
  orpo_alpha: nullable(decimal({ min: 0 })),
  simpo_gamma: nullable(decimal({ min: 0 })),
  cpo_alpha: nullable(decimal({ min: 0 })),
  kto_desirable_weight: nullable(decimal({ min: 0 })),
  kto_undesirable_weight: nullable(decimal({ min: 0 })),
}

type Key = Exclude<keyof PreferenceKeys, 'rl'>

/** Which objective a value of `rl` is, what it fixes, and which keys are its options. */
interface Method {
  readonly objective: string
  readonly fixed?: Readonly<Record<string, unknown>>
  readonly keys: { readonly [K in Key]?: string }
}

/** Those that learn from preferences; `grpo` is in `grpo-rules.ts`. */
type PreferenceName = Exclude<RlName, 'grpo'>

const METHODS: Readonly<Record<PreferenceName, Method>> = {
  dpo: {
    objective: 'dpo',
    keys: {
      rl_beta: 'beta',
      dpo_loss_type: 'loss_type',
      dpo_loss_weights: 'loss_weights',
      dpo_label_smoothing: 'label_smoothing',
    },
  },
  ipo: { objective: 'dpo', fixed: { loss_type: ['ipo'] }, keys: { rl_beta: 'beta' } },
  orpo: { objective: 'orpo', keys: { orpo_alpha: 'beta', rl_beta: 'beta' } },
  kto: {
    objective: 'kto',
    keys: {
      rl_beta: 'beta',
      kto_desirable_weight: 'desirable_weight',
      kto_undesirable_weight: 'undesirable_weight',
    },
  },
  simpo: {
    objective: 'cpo',
    fixed: { loss_type: 'simpo' },
    keys: { rl_beta: 'beta', simpo_gamma: 'simpo_gamma', cpo_alpha: 'cpo_alpha' },
  },
  cpo: { objective: 'cpo', keys: { rl_beta: 'beta', cpo_alpha: 'cpo_alpha' } },
}

const PREFERENCE_NAMES = RL_NAMES.filter((name) => name !== 'grpo')

/** Keys that say how and not what: of every method with a reference. */
const OF_REFERENCE: readonly Key[] = ['precompute_ref_log_probs']

/** The objective that `rl` asks for; null: none. */
export function preferenceObjective(keys: PreferenceKeys): Named | null {
  if (keys.rl === null || keys.rl === 'grpo') return null
  const { objective: name, fixed = {}, keys: options } = METHODS[keys.rl]
  const given = Object.entries(options).flatMap(([key, option]): [string, unknown][] => {
    const value: unknown = Reflect.get(keys, key)
    return value === null ? [] : [[option, value]]
  })
  return { name, options: { ...fixed, ...Object.fromEntries(given) } }
}

/** The key of the file under which an option of the objective stands. */
export function keyOfObjective({ rl }: PreferenceKeys, [option, ...rest]: ConfigPath): ConfigPath {
  if (rl === null || rl === 'grpo')
    return option === undefined ? ['objective'] : ['objective', option, ...rest]
  const key = Object.entries(METHODS[rl].keys).findLast(([, name]) => name === option)?.[0]
  return key === undefined ? ['rl'] : [key, ...rest]
}

/** What does not go together. */
export function preferenceFailures(
  keys: PreferenceKeys & {
    readonly objective: Named
    readonly neftune_noise_alpha: number | null
    readonly label_smoothing_factor: number
  },
): readonly ConfigFailure[] {
  const { rl, objective } = keys
  const failures: ConfigFailure[] = []
  const taken: readonly string[] =
    rl === null || rl === 'grpo' ? [] : [...Object.keys(METHODS[rl].keys), ...OF_REFERENCE]
  for (const key of Object.keys(preferenceFields)) {
    if (key === 'rl' || Reflect.get(keys, key) === null || taken.includes(key)) continue
    const owners = PREFERENCE_NAMES.filter((name) => Object.keys(METHODS[name].keys).includes(key))
    const wanted = owners.length > 0 ? owners : PREFERENCE_NAMES
    failures.push({
      path: [key],
      what: `is for rl: ${wanted.join(', ')}${rl === null ? ', and rl is not set' : `, not for ${rl}`}`,
    })
  }
  if (rl === null || rl === 'grpo') return failures
  if (objective.name !== 'cross_entropy')
    failures.push({ path: ['objective'], what: `give either rl or objective, not both` })
  if (rl === 'orpo' && keys.orpo_alpha !== null && keys.rl_beta !== null && keys.orpo_alpha !== keys.rl_beta)
    failures.push({ path: ['orpo_alpha'], what: 'is the same as rl_beta here: give one of both' })
  if (keys.neftune_noise_alpha !== null)
    failures.push({ path: ['neftune_noise_alpha'], what: `is not for rl: ${rl}` })
  if (keys.label_smoothing_factor > 0)
    failures.push({
      path: ['label_smoothing_factor'],
      what: `is not for rl: ${rl}`,
      ...(rl === 'dpo' ? { remedy: 'what may be wrong pairs is dpo_label_smoothing' } : {}),
    })
  return failures
}

/** What is worth saying about the keys. */
export function preferenceNotes(keys: PreferenceKeys & { readonly lora_dropout: number }): string[] {
  const { rl } = keys
  if (rl === null || rl === 'grpo') return []
  const notes: string[] = []
  if (rl === 'simpo' && keys.cpo_alpha === null)
    notes.push(
      'rl: simpo: the negative log-likelihood of the better answers counts too, with cpo_alpha 1 as in axolotl; cpo_alpha: 0 is SimPO alone',
    )
  if (keys.lora_dropout > 0)
    notes.push(`lora_dropout is off with rl: ${rl}, as in trl: what is compared differs in the weights alone`)
  if (keys.precompute_ref_log_probs === false)
    notes.push(
      'precompute_ref_log_probs: false is read as true: the reference is computed once, which gives the same numbers',
    )
  return notes
}
