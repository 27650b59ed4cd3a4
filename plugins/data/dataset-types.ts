/** Names of dataset types → the types. */
import { alpaca } from './alpaca.ts'
import { chatTemplate } from './chat-template.ts'
import { completion } from './completion.ts'
import type { DatasetOptions, DatasetTypeName } from './dataset-options.ts'
import type { DatasetType } from './dataset-type.ts'
import { inputOutput } from './input-output.ts'
import { sharegpt } from './sharegpt.ts'
import { tokenized } from './tokenized.ts'
import { userDefined } from './user-defined.ts'

const TYPES: { readonly [N in DatasetTypeName]: DatasetType } = {
  alpaca,
  completion,
  chat_template: chatTemplate,
  sharegpt,
  input_output: inputOutput,
  tokenized,
}

export function datasetTypeOf({ type }: DatasetOptions): DatasetType {
  return typeof type === 'string' ? TYPES[type] : userDefined(type)
}
