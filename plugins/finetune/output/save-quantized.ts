/**
 * A model whose linear layers are packed, as a folder that transformers loads as a 4-bit, 8-bit or BitNet model. Without adapters: a merged
 * model is plain (save-output.ts).
 */
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { writeSharded } from '../../../core/files/safetensors-write.ts'
import { type Model, TrituneError } from '../../../core/mod.ts'
import { bitnetConfig, type BitnetFormat, bitnetSources } from '../../bitnet/mod.ts'
import { bitsandbytesConfig, bitsandbytesSources } from '../../qlora/mod.ts'
import { writtenSources } from '../../peft/mod.ts'
import { configText } from './config-text.ts'
import { copyIfThere, saveTokenizer } from './save-tokenizer.ts'

/** Options of `saveQuantized()`. */
export interface SaveQuantizedOptions {
  readonly maxShardBytes?: number
  /** Of ternary layers: what transformers makes of them. Default: `autobitlinear`, which PEFT knows. */
  readonly linearClass?: BitnetFormat['linearClass']
}

/**
 * Writes the weights as they are packed, config.json with its `quantization_config`, and the tokenizer of `modelPath`. E_UNSUPPORTED
 * for a model without packed layers, for forms that neither bitsandbytes nor BitNet has, and for both in one model.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { saveQuantized } from 'tritune/plugins/finetune'
 * import { nf4, packLayers } from 'tritune/plugins/qlora'
 *
 * const quantizer = nf4.create({ block: 64, double_quant: true })
 * using model = loadModel('my-model', { pack: packLayers(quantizer, 'f32') })
 * saveQuantized(model, 'my-model', 'my-model-nf4')
 * ```
 */
export function saveQuantized(
  model: Model,
  modelPath: string,
  folder: string,
  { maxShardBytes, linearClass = 'autobitlinear' }: SaveQuantizedOptions = {},
): void {
  const ternary = bitnetConfig(model, { linearClass })
  const quantization = ternary ?? bitsandbytesConfig(model)
  if (quantization === null)
    throw new TrituneError('E_UNSUPPORTED', 'no layer of the model is packed', { place: modelPath })
  const own = ternary ? bitnetSources(model, { linearClass }) : bitsandbytesSources(model)
  const sources = writtenSources(model, own)
  writeSharded(folder, sources, maxShardBytes === undefined ? {} : { maxShardBytes })
  const {
    dtype: _new,
    torch_dtype: _old,
    rope_freq_factors: _gguf,
    ...config
  } = (model.info.written ?? model.info).config
  const written = {
    architectures: [model.info.architecture],
    ...config,
    torch_dtype: [...model.weights.values()].some((weight) => weight.dtype === 'bf16')
      ? 'bfloat16'
      : 'float32',
    quantization_config: quantization,
  }
  writeFileAtomic(join(folder, 'config.json'), configText(written))
  saveTokenizer(folder, modelPath)
  if (!modelPath.endsWith('.gguf')) copyIfThere(modelPath, folder, 'generation_config.json')
}
