/**
 * What a dataset entry of a file may say by name: formats of files, the types that are built in, where EOS is learned, and a type of
 * one's own.
 */

/** The formats that are read; JSON is JSON Lines or one list. */
export const FILE_FORMATS = ['json', 'text', 'parquet', 'csv', 'arrow'] as const

/** How a data file is read, as `ds_type:` says it. */
export type FileFormat = (typeof FILE_FORMATS)[number]

/** Which tokens that end a turn are learned. */
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

/** The instruction types that have axolotl's names, besides `alpaca`: what they read is in plugins/data/README.md. */
export const PROMPT_TYPE_NAMES = [
  'alpaca:chat',
  'alpaca:chatml',
  'alpaca:instruct',
  'alpaca:phi',
  'alpaca_instruct',
  'alpaca_instruct.load_no_prompt',
  'alpaca_chat',
  'alpaca_chat.load_qa',
  'alpaca_chat.load_concise',
  'alpaca_chat.load_camel_ai',
  'alpaca_chat.load_no_prompt',
  'alpaca_w_system',
  'alpaca_w_system.load_chat',
  'alpaca_w_system.load_instruct',
  'alpaca_w_system.load_open_orca',
  'alpaca_w_system.load_open_orca_chatml',
  'orcamini',
  'jeopardy',
  'oasst',
  'gpteacher',
  'gpteacher:chat',
  'explainchoice',
  'explainchoice.load',
  'concisechoice',
  'concisechoice.load',
  'summarizetldr',
  'context_qa',
  'context_qa.load_v2',
  'context_qa.load_404',
  'creative_acr.load_answer',
  'metharme',
  'pygmalion',
  'reflection',
] as const

/** The name of one of these types. */
export type PromptTypeName = (typeof PROMPT_TYPE_NAMES)[number]
