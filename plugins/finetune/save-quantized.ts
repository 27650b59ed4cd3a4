/**
 * A model whose linear layers are packed, as a folder that transformers loads as a 4-bit or 8-bit model. Without adapters: a merged
 * model is plain (save-output.ts).
 */
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { writeSharded } from '../../core/files/safetensors-write.ts'
import { type Model, TrituneError } from '../../core/mod.ts'
import { bitsandbytesConfig, bitsandbytesSources } from '../qlora/mod.ts'
import { copyIfThere, saveTokenizer } from './save-tokenizer.ts'

/** Options of `saveQuantized()`. */
export interface SaveQuantizedOptions {
  readonly maxShardBytes?: number
}

/**
 * Writes the weights as they are packed, config.json with its `quantization_config`, and the tokenizer of `modelPath`. E_UNSUPPORTED
 * for a model without packed layers, and for forms that bitsandbytes has not.
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
  { maxShardBytes }: SaveQuantizedOptions = {},
): void {
  const quantization = bitsandbytesConfig(model)
  if (quantization === null)
    throw new TrituneError('E_UNSUPPORTED', 'no layer of the model is packed', { place: modelPath })
  writeSharded(folder, bitsandbytesSources(model), maxShardBytes === undefined ? {} : { maxShardBytes })
  const { dtype: _new, torch_dtype: _old, rope_freq_factors: _gguf, ...config } = model.info.config
  const written = {
    architectures: [model.info.architecture],
    ...config,
    torch_dtype: quantization.bnb_4bit_compute_dtype,
    quantization_config: quantization,
  }
  // transformers refuses a threshold without a point.
  const text = JSON.stringify(written, null, 2).replace(/("llm_int8_threshold": \d+)(?=,?$)/m, '$1.0')
  writeFileAtomic(join(folder, 'config.json'), `${text}\n`)
  saveTokenizer(folder, modelPath)
  if (!modelPath.endsWith('.gguf')) copyIfThere(modelPath, folder, 'generation_config.json')
}
