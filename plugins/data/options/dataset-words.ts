/**
 * What a dataset entry of a file may say by name: the types that are built in, where EOS is learned, and a type of one's own.
 */
export type TrainOnEos = 'turn' | 'all' | 'last' | 'none'

/** `type:` as a mapping: a prompt of one's own. `{instruction}`, `{input}`, `{system}` are replaced in the formats. */
export interface UserDefinedType {
  readonly system_prompt: string
  readonly system_format: string
  readonly field_system: string
  readonly field_instruction: string
  readonly field_input: string
  readonly field_output: string
  readonly format: string
  readonly no_input_format: string
}

/** `type:` as a mapping in training from preferences. `{prompt}`, `{system}` and the answers are replaced in the formats. */
export interface UserDefinedPreference {
  readonly field_system: string
  readonly field_prompt: string
  readonly field_chosen: string
  readonly field_rejected: string
  readonly field_completion: string
  readonly field_label: string
  readonly prompt_format: string
  readonly chosen_format: string
  readonly rejected_format: string
  readonly completion_format: string
}

/** The names of the built-in dataset types, as `type:` takes them. */
export const DATASET_TYPES = [
  'alpaca',
  'completion',
  'chat_template',
  'sharegpt',
  'input_output',
  'tokenized',
  'prompt',
] as const

/** The name of a built-in dataset type. */
export type DatasetTypeName = (typeof DATASET_TYPES)[number]
