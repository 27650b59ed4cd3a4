/**
 * Weights that are quantized otherwise than by `load_in_4bit`, `load_in_8bit` and `quantizer`.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const QAT = 'training of weights that are rounded as torchao does (QAT); quantizer: bitnet is what there is'
const CHECKPOINT = 'another quantization of the checkpoint'
const COMPRESSOR = 'compressed weights of llm-compressor'
const WITHOUT_IT = 'it only matters together with a key or plugin that is not there'

export const QUANTIZATION_KEYS: KeyFacts = {
  ignored: {
    ...ignored(WITHOUT_IT, ['nvfp4_merge_aware_start_step', 'nonexpert_quantization']),
  },
  refused: {
    ...refused(QAT, ['qat']),
    ...refused(CHECKPOINT, [
      'model_quantization_config',
      'model_quantization_config_kwargs',
      'use_onebitllms',
      'nvfp4_merge_aware',
    ]),
    ...refused(COMPRESSOR, ['llmcompressor', 'recipe', 'save_compressed']),
    quantization: { what: CHECKPOINT, shortFor: 'quantizer' },
  },
}
