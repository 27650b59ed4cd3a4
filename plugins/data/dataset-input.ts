/**
 * An entry of `datasets:` as a program writes it: the keys of the YAML file for editors and compilers. null and leaving a key out are
 * the same.
 *
 * Types only; `dataset-options.ts` checks the values. The comments are those of `key-docs.ts`; `bun scripts/key-docs.ts --write` puts
 * them here.
 */
import type { DatasetTypeName, TrainOnEos, UserDefinedType } from './dataset-options.ts'

/** `type:` as a mapping: a prompt of one's own. What is left out is as alpaca has it. */
export type UserDefinedInput = {
  readonly [K in keyof UserDefinedType]?: UserDefinedType[K] | null | undefined
}

export interface DatasetInput {
  readonly path: string
  readonly type?: DatasetTypeName | UserDefinedInput | (string & {}) | null | undefined
  readonly type_options?: Readonly<Record<string, unknown>> | null | undefined
  readonly data_files?: readonly string[] | string | null | undefined
  readonly ds_type?: 'json' | 'text' | null | undefined
  readonly split?: string | null | undefined
  readonly sample_by?: 'line' | 'paragraph' | 'document' | null | undefined
  readonly field?: string | null | undefined
  readonly field_messages?: string | null | undefined
  readonly field_system?: string | null | undefined
  readonly message_property_mappings?: Readonly<Record<string, string>> | null | undefined
  readonly roles?: Readonly<Record<string, readonly string[]>> | null | undefined
  readonly roles_to_train?: readonly string[] | null | undefined
  readonly train_on_eos?: TrainOnEos | null | undefined
  readonly train_on_eot?: TrainOnEos | null | undefined
  readonly message_field_training?: string | null | undefined
  readonly drop_system_message?: boolean | null | undefined
  readonly field_tools?: string | null | undefined
  readonly field_thinking?: string | null | undefined
  readonly template_thinking_key?: string | null | undefined
  readonly split_thinking?: boolean | null | undefined
}
