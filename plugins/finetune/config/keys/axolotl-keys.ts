/**
 * Everything that is known of axolotl's keys besides the schema, from the files of facts beside this one. (Names as in axolotl's schemas,
 * https://docs.axolotl.ai/docs/config-reference.html.)
 */
import { ATTENTION_KEYS } from './attention.ts'
import { DATA_KEYS } from './data.ts'
import { DATASET_KEYS } from './dataset-entry.ts'
import { DEVICE_KEYS } from './devices.ts'
import { EVALUATION_KEYS } from './evaluation.ts'
import { EXPERT_KEYS } from './experts.ts'
import { KERNEL_KEYS } from './kernels.ts'
import type { IgnoredKey, KeyFacts, UnsupportedKey } from './key-fact.ts'
import { MODEL_KEYS } from './model.ts'
import { OUTPUT_KEYS } from './output.ts'
import { PACKING_KEYS } from './packing.ts'
import { PREFERENCE_KEYS } from './preference.ts'
import { QUANTIZATION_KEYS } from './quantization.ts'
import { RUNTIME_KEYS } from './runtime.ts'
import { TRACKER_KEYS } from './trackers.ts'
import { TRAINING_KEYS } from './training.ts'
import { VOCABULARY_KEYS } from './vocabulary.ts'

/** Subject → its keys, in the order of docs/axolotl-keys.md. */
export const KEY_GROUPS: Readonly<Record<string, KeyFacts>> = {
  'Model and tokenizer': MODEL_KEYS,
  Vocabulary: VOCABULARY_KEYS,
  Attention: ATTENTION_KEYS,
  Kernels: KERNEL_KEYS,
  'Mixtures of experts': EXPERT_KEYS,
  Quantization: QUANTIZATION_KEYS,
  Data: DATA_KEYS,
  Packing: PACKING_KEYS,
  Training: TRAINING_KEYS,
  'Preferences and rewards': PREFERENCE_KEYS,
  Evaluation: EVALUATION_KEYS,
  'Precision and PyTorch': RUNTIME_KEYS,
  'Several devices': DEVICE_KEYS,
  Trackers: TRACKER_KEYS,
  'Output and the rest': OUTPUT_KEYS,
}

/** Old or alternative spellings → the key that is used. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  evaluation_strategy: 'eval_strategy',
  model_revision: 'revision_of_model',
  model_config: 'overrides_of_model_config',
  noisy_embedding_alpha: 'neftune_noise_alpha',
  dpo_beta: 'rl_beta',
  type_of_model: 'model_type',
  dataset_num_proc: 'dataset_processes',
}

/** Accepted with a note. */
export const IGNORED_KEYS: Readonly<Record<string, IgnoredKey>> = joined(({ ignored }) => ignored)

/** Refused by name unless they ask for nothing. */
export const UNSUPPORTED_KEYS: Readonly<Record<string, UnsupportedKey>> = joined(({ refused }) => refused)

export const IGNORED_DATASET_KEYS: Readonly<Record<string, IgnoredKey>> = DATASET_KEYS.ignored

export const UNSUPPORTED_DATASET_KEYS: Readonly<Record<string, UnsupportedKey>> = DATASET_KEYS.refused

function joined<T>(of: (facts: KeyFacts) => Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.values(KEY_GROUPS).flatMap((facts) => Object.entries(of(facts))))
}
