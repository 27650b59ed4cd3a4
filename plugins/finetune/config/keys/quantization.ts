/**
 * Weights that are quantized otherwise than by `load_in_4bit`, `load_in_8bit` and `quantizer`.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const CHECKPOINT = 'another quantization of the checkpoint'
const COMPRESSOR = 'compressed weights of llm-compressor'
const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'

/** MXFP4 weights that are unpacked while they are loaded, as they are here in any case. */
const UNPACKED = {
  model_quantization_config: 'Mxfp4Config',
  model_quantization_config_kwargs: { dequantize: true },
}

export const QUANTIZATION_KEYS: KeyFacts = {
  ignored: {
    ...ignored(WITHOUT_IT, ['nvfp4_merge_aware_start_step', 'nonexpert_quantization']),
  },
  refused: {
    ...refused(CHECKPOINT, ['nvfp4_merge_aware']),
    model_quantization_config: { what: CHECKPOINT, onlyWith: UNPACKED },
    model_quantization_config_kwargs: { what: CHECKPOINT, onlyWith: UNPACKED },
    ...refused(COMPRESSOR, ['recipe', 'save_compressed']),
    quantization: { what: CHECKPOINT, shortFor: 'quantizer' },
  },
}
