/**
 * The options of LoRA, as definitions have them; the keys of a run's file are plugins/finetune's.
 */
import {
  ConfigError,
  decimal,
  defineOptions,
  flag,
  integer,
  optional,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import * as v from 'valibot'

/** How the factors of a LoRA start, in PEFT's words (`init_lora_weights`). */
export type LoraInit =
  | boolean
  | 'gaussian'
  | 'orthogonal'
  | 'pissa'
  | `pissa_niter_${number}`
  | 'olora'
  | 'loftq'
  | 'eva'

/** Of `init: 'loftq'`: the packed form of the base, and how often it and the factors are fitted to each other. */
export interface LoftqOptions {
  /** 4: nf4; 8: int8, whose products round nothing of what goes in. */
  readonly bits: 4 | 8
  readonly iterations: number
}

/** Options of one LoRA, in PEFT's words: the update is alpha / rank · B·A, with rsLoRA alpha / √rank · B·A. */
export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  /** Chance to drop an input of A, in [0, 1). Embeddings drop nothing. */
  readonly dropout: number
  readonly rsLora: boolean
  /**
   * true: A kaiming-uniform, B zero (PEFT's default); gaussian: A ~ N(0, 1/r²), B zero; false: both random (for tests); orthogonal;
   * pissa, pissa_niter_16, olora: the main part of the weight; loftq: what 4 bits leave of it; eva: the main part of what goes in.
   */
  readonly init: LoraInit
  /** DoRA: the length of each row is trained beside its direction. */
  readonly dora?: boolean
  /** A trained bias: s·b is added too. */
  readonly loraBias?: boolean
  readonly loftq?: LoftqOptions
}

/** The names of `init` besides true, false and `pissa_niter_<n>`. */
export const INIT_NAMES = ['gaussian', 'orthogonal', 'pissa', 'olora', 'loftq', 'eva'] as const

/** `pissa_niter_16`: the main part by so many rounds of subspace iteration. */
export const PISSA_ROUNDS: RegExp = /^pissa_niter_([1-9]\d{0,3})$/

/** Whether a start takes a part out of the base: then the file is a LoRA of twice the rank. */
export function changesBase(init: LoraInit): boolean {
  return typeof init === 'string' && (init === 'olora' || init === 'pissa' || PISSA_ROUNDS.test(init))
}

const init: v.GenericSchema<unknown, LoraInit> = v.custom<LoraInit>(
  (value) =>
    typeof value === 'boolean' ||
    (typeof value === 'string' && (INIT_NAMES.some((name) => name === value) || PISSA_ROUNDS.test(value))),
  `expected true, false, ${INIT_NAMES.join(', ')} or pissa_niter_<n>`,
)

const fields: ValidatableConfig<LoraOptions> = defineOptions<LoraOptions>({
  rank: optional(integer({ min: 1 }), 8),
  alpha: optional(decimal({ above: 0 }), 8),
  dropout: optional(decimal({ min: 0, below: 1 }), 0),
  rsLora: optional(flag(), false),
  init: optional(init, true),
  dora: optional(flag(), false),
  loraBias: optional(flag(), false),
  loftq: optional(
    v.strictObject({
      bits: v.picklist([4, 8], 'expected 4 (nf4) or 8 (int8)'),
      iterations: integer({ min: 1, max: 100 }),
    }),
    { bits: 4, iterations: 1 },
  ),
})

export const loraOptions: ValidatableConfig<LoraOptions> = {
  ...fields,
  validate(input) {
    const options = fields.validate(input)
    const { loraBias, dora, init } = options
    if (loraBias && dora)
      throw new ConfigError([{ path: ['loraBias'], what: 'DoRA has no bias of its own (as in PEFT)' }])
    if (loraBias && typeof init === 'string')
      throw new ConfigError([
        { path: ['loraBias'], what: `goes with init true and false, not with ${init} (as in PEFT)` },
      ])
    return options
  },
}
