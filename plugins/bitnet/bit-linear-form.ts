/**
 * BitLinear as the form of a model's layers: which layers have it, the RMS norm before it, and what config.json says of it. The weights
 * stay whole in the model, as what is trained (transformers' `quantization_mode: online`), or come packed.
 */
import {
  add,
  affine,
  cast,
  currentNoise,
  dequantizeWeight,
  dropout as dropped,
  type FloatDType,
  isQuantized,
  type Layer,
  type LayerForm,
  type LayerForms,
  linear,
  type LoraFactors,
  normOf,
  rmsNorm,
  tensor,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { isSkipped } from '../qlora/mod.ts'
import { bitLinear } from './bit-linear.ts'
import { absMean } from './quantizers.ts'

/** Options of `bitLinearForms()`. */
export interface BitLinearFormOptions {
  /** An RMS norm with a weight of its own before every BitLinear: transformers' `use_rms_norm`. Default: false. */
  readonly subNorm?: boolean
  /** Of that norm. Default: 1e-6, as in transformers. */
  readonly eps?: number
  /** Modules that stay as they are; the head is always one. Default: none. */
  readonly skip?: readonly string[]
}

/**
 * Every linear layer but the head as a BitLinear with one AbsMean scale.
 *
 * @example
 * ```ts
 * import { bitLinearForms } from 'tritune/plugins/bitnet'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model', { writable: true, forms: bitLinearForms({ subNorm: true }) })
 * const layer = model.layers.get('model.layers.0.self_attn.q_proj')
 * console.log(layer?.form?.name, model.weights.has('model.layers.0.self_attn.q_proj.rms_norm.weight')) // → bitnet true
 * ```
 */
export function bitLinearForms({
  subNorm = false,
  eps = 1e-6,
  skip = [],
}: BitLinearFormOptions = {}): LayerForms {
  const quantizer = absMean()
  const config = {
    quant_method: 'bitnet',
    linear_class: 'autobitlinear',
    quantization_mode: 'online',
    use_rms_norm: subNorm,
    rms_norm_eps: eps,
    modules_to_not_convert: ['lm_head', ...skip],
  }
  const formOf = (norm: Layer | null): LayerForm => ({
    name: 'bitnet',
    config,
    forward(x, { weight, bias }, { lora }) {
      const options = { quantizer, ...(bias ? { bias } : {}) }
      // A LoRA sees what comes to the layer, so behind a norm it is a product of its own.
      if (!norm) return bitLinear(x, weight, { ...options, ...(lora ? { lora } : {}) })
      const y = bitLinear(rmsNorm(x, normOf(norm).weight, { eps }), weight, options)
      return lora ? add(y, lowRank(x, lora)) : y
    },
    dense(weight, dtype) {
      if (norm)
        throw new TrituneError('E_UNSUPPORTED', `${norm.path}: no plain layer has a norm of its own`, {
          remedy: 'keep the model in the files of transformers, with its adapters beside it',
        })
      if (isQuantized(weight)) return dequantizeWeight(weight, dtype)
      using packed = quantizer.quantize(weight)
      return dequantizeWeight(packed, dtype)
    },
  })
  return {
    form(path, { inputs, norm }) {
      if (isSkipped(path, skip)) return null
      return formOf(subNorm ? norm(`${path}.${SUB_NORM}`, inputs) : null)
    },
    completed(source, { device, dtype }) {
      if (!subNorm) return source
      const isNew = (name: string): boolean => name.endsWith(`.${SUB_NORM}.weight`) && !source.has(name)
      return {
        ...source,
        load: (name, shape, options) =>
          isNew(name)
            ? tensor(new Float32Array(shape[0]).fill(1), { shape, dtype, device })
            : source.load(name, shape, options),
      }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** As transformers calls the norm of a BitLinear. */
const SUB_NORM = 'rms_norm'

/** s·(drop(x)·Aᵀ)·Bᵀ in the dtype of x. */
function lowRank(x: Tensor, { a, b, scale, dropout = 0, site = 0 }: LoraFactors): Tensor {
  const dtype = x.dtype as FloatDType
  const seen = dropout > 0 && currentNoise() ? dropped(x, { p: dropout, site }) : x
  return affine(linear(linear(seen, cast(a, dtype)), cast(b, dtype)), { scale })
}
