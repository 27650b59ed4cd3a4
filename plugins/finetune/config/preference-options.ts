/**
 * `rl:` and the keys that go with it, as axolotl has them: which objective they ask for, with which options, and what does not go together.
 */
import {
  decimal,
  flag,
  integer,
  listOf,
  nullable,
  type NullableField,
  oneOf,
  text,
} from '../../../core/contracts/config-fields.ts'
import type { ConfigFailure, ConfigPath } from '../../../core/contracts/config.ts'
import { DPO_LOSSES, type DpoLossName, LATER_DPO_LOSSES } from '../../preference/mod.ts'
import type { Named } from './named.ts'

/** Names of the objectives that are built in. */
export const OBJECTIVES = [
  'cross_entropy',
  'eaft',
  'dpo',
  'orpo',
  'kto',
  'cpo',
  'reward',
  'distillation',
] as const

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
  /** The model gets a head of one score, which is trained from pairs. */
  readonly reward_model: boolean | null
  readonly center_rewards_coefficient: number | null
  /** Scores of a reward model: 1. */
  readonly num_labels: number | null
  /** A larger model whose predictions are learned; null: none. */
  readonly kd_teacher: string | null
  readonly kd_trainer: boolean | null
  readonly kd_temperature: number | null
  readonly kd_alpha: number | null
  readonly kd_ce_alpha: number | null
  readonly kd_beta: number | null
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
  reward_model: nullable(flag()),
  center_rewards_coefficient: nullable(decimal({ min: 0 })),
  num_labels: nullable(integer({ min: 1 })),
  kd_teacher: nullable(text('the folder or .gguf file of a larger model, or its name on the hub')),
  kd_trainer: nullable(flag()),
  kd_temperature: nullable(decimal({ above: 0 })),
  kd_alpha: nullable(decimal({ min: 0 })),
  kd_ce_alpha: nullable(decimal({ min: 0 })),
  kd_beta: nullable(decimal({ min: 0, max: 1 })),
}

type Key = keyof PreferenceKeys

/** What asks for an objective: a value of `rl`, or a key of its own. */
type MethodName = Exclude<RlName, 'grpo'> | 'reward_model' | 'kd_teacher'

/** Which objective it is, what it fixes, and which keys are its options. */
interface Method {
  readonly objective: string
  readonly fixed?: Readonly<Record<string, unknown>>
  readonly keys: { readonly [K in Key]?: string }
  /** Keys that go with it and are no options. */
  readonly beside?: readonly Key[]
}

const REFERENCE: readonly Key[] = ['precompute_ref_log_probs']

const METHODS: Readonly<Record<MethodName, Method>> = {
  dpo: {
    objective: 'dpo',
    keys: {
      rl_beta: 'beta',
      dpo_loss_type: 'loss_type',
      dpo_loss_weights: 'loss_weights',
      dpo_label_smoothing: 'label_smoothing',
    },
    beside: REFERENCE,
  },
  ipo: { objective: 'dpo', fixed: { loss_type: ['ipo'] }, keys: { rl_beta: 'beta' }, beside: REFERENCE },
  orpo: { objective: 'orpo', keys: { orpo_alpha: 'beta', rl_beta: 'beta' } },
  kto: {
    objective: 'kto',
    keys: {
      rl_beta: 'beta',
      kto_desirable_weight: 'desirable_weight',
      kto_undesirable_weight: 'undesirable_weight',
    },
    beside: REFERENCE,
  },
  simpo: {
    objective: 'cpo',
    fixed: { loss_type: 'simpo' },
    keys: { rl_beta: 'beta', simpo_gamma: 'simpo_gamma', cpo_alpha: 'cpo_alpha' },
  },
  cpo: { objective: 'cpo', keys: { rl_beta: 'beta', cpo_alpha: 'cpo_alpha' } },
  reward_model: {
    objective: 'reward',
    keys: { center_rewards_coefficient: 'center_rewards_coefficient' },
    beside: ['num_labels'],
  },
  kd_teacher: {
    objective: 'distillation',
    keys: {
      kd_teacher: 'teacher',
      kd_temperature: 'temperature',
      kd_alpha: 'alpha',
      kd_ce_alpha: 'ce_alpha',
      kd_beta: 'beta',
    },
    beside: ['kd_trainer'],
  },
}

/** What the keys ask for; the first where there are several, which is refused. */
function askedFor({ rl, reward_model, kd_teacher }: PreferenceKeys): readonly MethodName[] {
  return [
    ...(rl === null || rl === 'grpo' ? [] : [rl]),
    ...(reward_model ? (['reward_model'] as const) : []),
    ...(kd_teacher === null ? [] : (['kd_teacher'] as const)),
  ]
}

/** The objective that the keys ask for; null: none. */
export function preferenceObjective(keys: PreferenceKeys): Named | null {
  const [method] = askedFor(keys)
  if (method === undefined) return null
  const { objective: name, fixed = {}, keys: options } = METHODS[method]
  const given = Object.entries(options).flatMap(([key, option]): [string, unknown][] => {
    const value: unknown = Reflect.get(keys, key)
    return value === null ? [] : [[option, value]]
  })
  return { name, options: { ...fixed, ...Object.fromEntries(given) } }
}

/** The key of the file under which an option of the objective stands. */
export function keyOfObjective(keys: PreferenceKeys, [option, ...rest]: ConfigPath): ConfigPath {
  const [method] = askedFor(keys)
  if (method === undefined) return option === undefined ? ['objective'] : ['objective', option, ...rest]
  const key = Object.entries(METHODS[method].keys).findLast(([, name]) => name === option)?.[0]
  return key === undefined ? [keyOfMethod(method)] : [key, ...rest]
}

function keyOfMethod(method: MethodName): Key {
  return method === 'reward_model' || method === 'kd_teacher' ? method : 'rl'
}

function nameOfMethod(method: MethodName): string {
  return method === 'reward_model' || method === 'kd_teacher' ? method : `rl: ${method}`
}

/** What does not go together. */
export function preferenceFailures(
  keys: PreferenceKeys & {
    readonly objective: Named
    readonly neftune_noise_alpha: number | null
    readonly label_smoothing_factor: number
    readonly streaming: boolean
  },
): readonly ConfigFailure[] {
  const asked = askedFor(keys)
  const [method] = asked
  const failures: ConfigFailure[] = strayKeys(keys, method)
  if (method === undefined) return failures
  const name = nameOfMethod(method)
  for (const other of asked.slice(1))
    failures.push({ path: [keyOfMethod(other)], what: `give either it or ${name}, not both` })
  if (keys.objective.name !== 'cross_entropy')
    failures.push({ path: ['objective'], what: `give either objective or ${name}, not both` })
  if (
    method === 'orpo' &&
    keys.orpo_alpha !== null &&
    keys.rl_beta !== null &&
    keys.orpo_alpha !== keys.rl_beta
  )
    failures.push({ path: ['orpo_alpha'], what: 'is the same as rl_beta here: give one of both' })
  if (keys.num_labels !== null && keys.num_labels !== 1)
    failures.push({
      path: ['num_labels'],
      what: `expected 1, the score of a reward model, got ${keys.num_labels}`,
    })
  if (keys.neftune_noise_alpha !== null && method !== 'kd_teacher')
    failures.push({ path: ['neftune_noise_alpha'], what: `is not for ${name}` })
  if (keys.streaming && method !== 'kd_teacher')
    failures.push({
      path: ['streaming'],
      what: `is not for ${name}: its examples are looked at before the first step`,
    })
  if (keys.label_smoothing_factor > 0)
    failures.push({
      path: ['label_smoothing_factor'],
      what: `is not for ${name}`,
      ...(method === 'dpo' ? { remedy: 'what may be wrong pairs is dpo_label_smoothing' } : {}),
    })
  return failures
}

/** Keys that go with another method, or with none. */
function strayKeys(keys: PreferenceKeys, method: MethodName | undefined): ConfigFailure[] {
  const methods = Object.keys(METHODS) as readonly MethodName[]
  const isOf = (key: string, name: MethodName): boolean => {
    const { keys: options, beside = [] } = METHODS[name]
    return Object.hasOwn(options, key) || beside.some((one) => one === key)
  }
  return Object.keys(preferenceFields).flatMap((key): ConfigFailure[] => {
    const value: unknown = Reflect.get(keys, key)
    if (key === 'rl' || key === 'reward_model' || value === null || value === false) return []
    if (method !== undefined && isOf(key, method)) return []
    if (key === 'kd_teacher') return []
    if (key === 'kd_trainer')
      return [
        {
          path: [key],
          what: 'needs kd_teacher, the larger model: predictions that were computed beforehand are not supported yet',
        },
      ]
    const owners = methods.filter((name) => isOf(key, name)).map(nameOfMethod)
    return [
      {
        path: [key],
        what: `is for ${owners.join(', ')}${method === undefined ? ', and none of them is set' : `, not for ${nameOfMethod(method)}`}`,
      },
    ]
  })
}

/** What is worth saying about the keys. */
export function preferenceNotes(keys: PreferenceKeys & { readonly lora_dropout: number }): string[] {
  const [method] = askedFor(keys)
  if (method === undefined || method === 'kd_teacher') return []
  const notes: string[] = []
  if (method === 'simpo' && keys.cpo_alpha === null)
    notes.push(
      'rl: simpo: the negative log-likelihood of the better answers counts too, with cpo_alpha 1 as in axolotl; cpo_alpha: 0 is SimPO alone',
    )
  if (keys.lora_dropout > 0)
    notes.push(
      `lora_dropout is off with ${nameOfMethod(method)}, as in trl: what is compared differs in the weights alone`,
    )
  if (keys.precompute_ref_log_probs === false)
    notes.push(
      'precompute_ref_log_probs: false is read as true: the reference is computed once, which gives the same numbers',
    )
  return notes
}
