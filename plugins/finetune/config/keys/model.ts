/**
 * How the model is built and loaded: its own files say most of it.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const FROM_CONFIG = 'read from the files of the model'
const NO_MEDIA = 'there are no images, audio or video'
const MODEL = 'changing how the model is built or loaded'
const MEDIA = 'images, audio and video'
const POSITIONS = 'positions that skip (PoSE)'

export const MODEL_KEYS: KeyFacts = {
  ignored: {
    ...ignored(FROM_CONFIG, [
      'lora_fan_in_fan_out',
      'model_type',
      'tokenizer_type',
      'processor_type',
      'processor_kwargs',
      'tokenizer_use_fast',
      'tokenizer_legacy',
      'tokenizer_save_jinja_files',
      'cls_model_config',
      'trust_remote_code',
      'is_falcon_derived_model',
      'is_llama_derived_model',
      'is_mistral_derived_model',
      'is_qwen_derived_model',
      'gptq',
      'gptq_disable_exllama',
    ]),
    ...ignored(NO_MEDIA, ['freeze_mm_modules']),
  },
  refused: {
    ...refused(MODEL, [
      'model_kwargs',
      'overrides_of_model_kwargs',
      'rope_scaling',
      'llama4_linearized_experts',
      'merge_lora',
      'is_preprocess',
    ]),
    ...refused(POSITIONS, ['use_pose', 'pose_split_on_token_ids', 'pose_max_context_len', 'pose_num_chunks']),
    ...refused(MEDIA, [
      'image_size',
      'image_resize_algorithm',
      'is_multimodal',
      'role_boundaries',
      'skip_prepare_dataset',
    ]),
  },
}
