/**
 * An entry of `datasets:` as a program writes it: the keys of the YAML file for editors and compilers. null and leaving a key out are
 * the same.
 *
 * Types only; `dataset-options.ts` checks the values. The comments are those of `key-docs.ts`; `bun scripts/key-docs.ts --write` puts
 * them here.
 */
import type { ChatTemplateChoice } from '../chat/chat-template-source.ts'
import type {
  DatasetTypeName,
  FileFormat,
  PromptTypeName,
  TrainOnEos,
  UserDefinedPreference,
  UserDefinedType,
} from './dataset-words.ts'

/** `type:` as a mapping: a prompt of one's own. What is left out is as alpaca has it. */
export type UserDefinedInput = {
  readonly [K in keyof UserDefinedType]?: UserDefinedType[K] | null | undefined
}

/** `type:` as a mapping in training from preferences. */
export type UserDefinedPreferenceInput = {
  readonly [K in keyof UserDefinedPreference]?: UserDefinedPreference[K] | null | undefined
}

/** An entry of `datasets` as a program writes it: the keys of the YAML file. */
export interface DatasetInput {
  /** a file, a folder whose file names tell its splits, or the name of a dataset on the hub (`org/name`) */
  readonly path: string
  /**
   * `alpaca`, `completion`, `chat_template`, `sharegpt`, `input_output`, `tokenized` (records with
   * `input_ids`), another instruction type of axolotl, or a mapping with a `format` of your own:
   * plugins/data/README.md. Default: `tokenized`
   */
  readonly type?:
    | DatasetTypeName
    | PromptTypeName
    | UserDefinedInput
    | UserDefinedPreferenceInput
    | (string & {})
    | null
    | undefined
  /** options of a plugin's type, which checks them itself. Default: `{}` */
  readonly type_options?: Readonly<Record<string, unknown>> | null | undefined
  /** of a dataset on the hub: one of its configurations; not set: its default */
  readonly name?: string | null | undefined
  /** of a dataset on the hub: a branch, a tag or a commit; not set: `main` */
  readonly revision?: string | null | undefined
  /**
   * the share of the entry among all examples, against the weights of the others (`1` where an entry has
   * none): an epoch has as many examples as before, some of them again or not at all. Without any weight each
   * example comes once
   */
  readonly weight?: number | null | undefined
  /** files inside `path`, which may have `*` in their names. Default: `[]` */
  readonly data_files?: readonly string[] | string | null | undefined
  /** `json`, `text`, `parquet`, `csv` or `arrow`, where the file name does not tell */
  readonly ds_type?: FileFormat | null | undefined
  /**
   * a split, or a part of one: `test`, `train[:100]`, `train[10%:]`; not set: `train`. File names tell the
   * splits of a folder: plugins/data/README.md
   */
  readonly split?: string | null | undefined
  /**
   * the tokens go into a temporary file (in `dataset_prepared_path`, where that is set) instead of memory
   * (guides/from-scratch.md). Default: `false`
   */
  readonly streaming?: boolean | null | undefined
  /** what one record of a text file is: `line`, `paragraph` or `document`. Default: `line` */
  readonly sample_by?: 'line' | 'paragraph' | 'document' | null | undefined
  /** for `completion`: where the text is. Default: `text` */
  readonly field?: string | null | undefined
  /** where the messages are; not set: `messages`, for `sharegpt` `conversations` */
  readonly field_messages?: string | null | undefined
  /** where a system message stands beside the messages. Default: `system` */
  readonly field_system?: string | null | undefined
  /** preferences by chat template: where the better answer is. Not set: `chosen` */
  readonly field_chosen?: string | null | undefined
  /** where the worse answer is. Not set: `rejected` */
  readonly field_rejected?: string | null | undefined
  /** other names for the properties of a message, such as `{ role: from, content: value }`. Default: `{}` */
  readonly message_property_mappings?: Readonly<Record<string, string>> | null | undefined
  /** names that stand for a role, such as `{ user: [human, user] }` */
  readonly roles?: Readonly<Record<string, readonly string[]>> | null | undefined
  /** whose turns are learned. Default: `[assistant]` */
  readonly roles_to_train?: readonly string[] | null | undefined
  /** learn the EOS token after trained turns (`turn`), after `all`, the `last`, or `none`. Default: `turn` */
  readonly train_on_eos?: TrainOnEos | null | undefined
  /** the same for `eot_tokens`; not set: as `train_on_eos` */
  readonly train_on_eot?: TrainOnEos | null | undefined
  /** a boolean of each message (or 1 and 0, as the `weight` of OpenAI) that overrules `roles_to_train` */
  readonly message_field_training?: string | null | undefined
  /**
   * a list of each message, `{ begin_offset, end_offset, train }`: which characters of its content are
   * learned, the last one included
   */
  readonly message_field_training_detail?: string | null | undefined
  /** another chat template for this entry */
  readonly chat_template?: ChatTemplateChoice | null | undefined
  /** the same as Jinja, or the path of a file with it */
  readonly chat_template_jinja?: string | null | undefined
  /** leave a leading system message out. Default: `false` */
  readonly drop_system_message?: boolean | null | undefined
  /** the key of a record's tools. Default: `tools` */
  readonly field_tools?: string | null | undefined
  /** the key of a message's reasoning. Default: `reasoning_content` */
  readonly field_thinking?: string | null | undefined
  /** the name under which the chat template knows it. Default: `reasoning_content` */
  readonly template_thinking_key?: string | null | undefined
  /** take `<think>…</think>` out of the content and hand it to the template as reasoning. Default: `false` */
  readonly split_thinking?: boolean | null | undefined
}
