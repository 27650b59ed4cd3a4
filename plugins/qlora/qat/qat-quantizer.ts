/**
 * The quantizer `qat` of a run without an adapter: every linear layer computes with weights and inputs that are rounded as torchao will round them, and
 * trains the weights behind the rounding (straight-through). What is saved are those weights.
 */
import {
  ConfigError,
  currentNoise,
  defineOptions,
  integer,
  isQuantized,
  type LayerForms,
  linear,
  nullable,
  oneOf,
  type QuantizerDefinition,
  TrituneError,
} from '../../../core/mod.ts'
import { type FakeFormat, fakeQuantize, groupOf } from './fake-quantize.ts'
import { straightThrough } from './straight-through.ts'

/** Options of `qat`, named as axolotl's `qat:` names them. */
export interface QatOptions {
  readonly weight_dtype: 'int4' | 'nvfp4' | 'mxfp4'
  readonly activation_dtype: 'int8' | 'nvfp4' | 'mxfp4'
  /** Numbers that share a scale; 16 for nvfp4 and 32 for mxfp4. */
  readonly group_size: number | null
  /** Steps that are trained without rounding first. */
  readonly fake_quant_after_n_steps: number | null
}

const PAIRS: Readonly<Record<QatOptions['weight_dtype'], QatOptions['activation_dtype']>> = {
  int4: 'int8',
  nvfp4: 'nvfp4',
  mxfp4: 'mxfp4',
}

/** Weights of 4 bits that a training knows of: `int4` with inputs of `int8`, `nvfp4` or `mxfp4`. */
export const qat: QuantizerDefinition<QatOptions> = {
  name: 'qat',
  options: defineOptions<QatOptions>({
    weight_dtype: oneOf(['int4', 'nvfp4', 'mxfp4']),
    activation_dtype: oneOf(['int8', 'nvfp4', 'mxfp4']),
    group_size: nullable(integer({ min: 1 })),
    fake_quant_after_n_steps: nullable(integer({ min: 0 })),
  }),
  create() {
    throw new ConfigError([
      {
        path: [],
        what: 'qat is about weights that are trained, and an adapter leaves them as they are',
        remedy: 'set adapter: none, or load_in_4bit: true for a base of 4 bits',
      },
    ])
  },
  createForms(options) {
    const { weight_dtype: weight, activation_dtype: input, group_size: group } = options
    if (PAIRS[weight] !== input)
      throw new ConfigError([
        { path: ['activation_dtype'], what: `goes with ${weight} as ${PAIRS[weight]}, got ${input}` },
      ])
    const format: FakeFormat = weight === 'int4' ? { kind: weight, group: group ?? 32 } : { kind: weight }
    if (group !== null && group !== groupOf(format))
      throw new ConfigError([
        { path: ['group_size'], what: `of ${weight} is ${groupOf(format)}, got ${group}` },
      ])
    return qatForms(
      format,
      { kind: input === 'int8' ? 'int8' : input },
      options.fake_quant_after_n_steps ?? 0,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function qatForms(weights: FakeFormat, inputs: FakeFormat, after: number): LayerForms {
  // Evaluations are of the model as it is trained at the time.
  let seen = 0
  const isOn = (): boolean => {
    seen = currentNoise()?.step ?? seen
    return seen >= after
  }
  return {
    form: (path, { inputs: columns }) => {
      const group = groupOf(weights)
      if (columns % group !== 0)
        throw new TrituneError(
          'E_SHAPE',
          `${path}: ${columns} inputs are no multiple of the group of ${group}`,
          {
            remedy: 'set another group_size',
          },
        )
      return {
        name: 'qat',
        config: {},
        forward(x, { weight, bias }, { lora }) {
          if (isQuantized(weight))
            throw new TrituneError('E_UNSUPPORTED', `${path}: packed weights are not trained`)
          const options = { ...(bias ? { bias } : {}), ...(lora ? { lora } : {}) }
          if (!isOn()) return linear(x, weight, options)
          return linear(straightThrough(x, inputs), straightThrough(weight, weights), options)
        },
        dense(weight) {
          if (!isQuantized(weight)) return fakeQuantize(weight, weights)
          throw new TrituneError('E_UNSUPPORTED', `${path}: packed weights are not trained`)
        },
      }
    },
    completed: (source) => source,
  }
}
