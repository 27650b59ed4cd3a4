/**
 * A model with ternary layers as transformers stores BitNet: trits packed as u8 (out/4, in), `weight_scale`, and the `quantization_config`
 * that belongs to them. Plain weights go as they are. Adapters are not looked at: merging is plugins/peft's.
 */
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import { isQuantized, type Model, type QuantizedWeight, TrituneError } from '../../core/mod.ts'
import { tensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { plainSources } from '../qlora/mod.ts'
import type { StoredBitnet } from './stored-bitnet.ts'

/** What transformers makes of the layers. */
export interface BitnetFormat {
  /**
   * `autobitlinear`: ordinary linear layers of rounded weights, which PEFT can put adapters on, as in microsoft/bitnet-b1.58-2B-4T.
   * `bitlinear`: layers that stay packed in memory.
   */
  readonly linearClass: StoredBitnet['linearClass']
}

/**
 * All tensors of the checkpoint. E_UNSUPPORTED for layers in another form than trits with one scale.
 */
export function* bitnetSources(model: Model, { linearClass }: BitnetFormat): Generator<TensorSource> {
  yield* plainSources(model)
  for (const { path, weight } of model.layers.values())
    if (isQuantized(weight)) yield* packedSources(path, weight, linearClass)
}

/** The `quantization_config` of config.json; null: no layer is ternary. */
export function bitnetConfig(
  model: Model,
  { linearClass }: BitnetFormat,
): Readonly<Record<string, unknown>> | null {
  const layers = [...model.layers.values()].filter(({ kind }) => kind === 'linear' || kind === 'head')
  const packed = layers.filter(({ weight }) => isQuantized(weight) && weight.kind === 'ternary')
  if (packed.length === 0) return null
  const formed = packed.find(({ form }) => form)?.form?.config
  return {
    linear_class: linearClass,
    modules_to_not_convert: layers.filter(({ weight }) => !isQuantized(weight)).map(({ path }) => path),
    quant_method: 'bitnet',
    quantization_mode: 'offline',
    rms_norm_eps: formed?.rms_norm_eps ?? 1e-6,
    use_rms_norm: formed?.use_rms_norm ?? false,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function* packedSources(
  path: string,
  { kind, parts, block }: QuantizedWeight,
  linearClass: BitnetFormat['linearClass'],
): Generator<TensorSource> {
  if (kind !== 'ternary' || block !== 0)
    throw new TrituneError(
      'E_UNSUPPORTED',
      kind === 'ternary'
        ? 'BitNet checkpoints have one scale for a matrix, not one for each row or group'
        : `BitNet checkpoints have no ${kind} weights`,
      { place: path, remedy: 'pack with bitnet and span: tensor' },
    )
  const { data, scale } = parts
  yield { name: `${path}.weight`, dtype: 'u8', shape: data.shape, chunks: () => tensorBytes(data) }
  yield {
    name: `${path}.weight_scale`,
    dtype: 'f32',
    shape: [1],
    chunks() {
      const mean = scale.item()
      const stored = Float32Array.of(linearClass === 'bitlinear' ? 1 / mean : mean)
      return [new Uint8Array(stored.buffer)]
    },
  }
}
