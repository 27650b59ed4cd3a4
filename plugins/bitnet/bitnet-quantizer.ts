/**
 * The quantizer `bitnet` of a run (`quantizer: bitnet`): it packs the frozen base that an adapter is trained on, and without an adapter makes
 * every linear layer a BitLinear whose weights are trained.
 */
import {
  ConfigError,
  decimal,
  defineOptions,
  flag,
  integer,
  oneOf,
  optional,
  type QuantizerDefinition,
} from '../../core/mod.ts'
import { bitLinearForms } from './bit-linear-form.ts'
import { absMax, absMean, type ScaleSpan } from './quantizers.ts'
import type { TritScale } from './ternarize.ts'

/** Options of `bitnet`. */
export interface BitnetOptions {
  /** What a scale is of its weights. */
  readonly scale: TritScale
  /** Which weights share one. */
  readonly span: ScaleSpan
  /** Columns of a group. */
  readonly group: number
  /** Without an adapter: an RMS norm before every BitLinear, transformers' `use_rms_norm`. */
  readonly sub_norm: boolean
  /** Of that norm. */
  readonly eps: number
}

/** −1, 0 and 1, with one scale for a matrix, a row or a group of columns. */
export const bitnetQuantizer: QuantizerDefinition<BitnetOptions> = {
  name: 'bitnet',
  options: defineOptions<BitnetOptions>({
    scale: optional(oneOf(['absmean', 'absmax']), 'absmean'),
    span: optional(oneOf(['tensor', 'row', 'group']), 'tensor'),
    group: optional(integer({ min: 64 }), 64),
    sub_norm: optional(flag(), false),
    eps: optional(decimal({ above: 0 }), 1e-6),
  }),
  create({ scale, span, group, sub_norm: subNorm }) {
    if (subNorm)
      throw new ConfigError([
        {
          path: ['sub_norm'],
          what: 'a base that stays as it is gets no norms: they would have to be trained',
          remedy: 'leave it out, or train without an adapter',
        },
      ])
    return (scale === 'absmean' ? absMean : absMax)({ span, group })
  },
  createForms({ scale, span, sub_norm: subNorm, eps }) {
    if (scale !== 'absmean' || span !== 'tensor')
      throw new ConfigError([
        {
          path: [scale !== 'absmean' ? 'scale' : 'span'],
          what: 'without an adapter the weights are trained, and then there is one mean for a matrix',
          remedy: 'leave scale and span out, or set adapter: lora',
        },
      ])
    return bitLinearForms({ subNorm, eps })
  },
}
