/**
 * One entry of `datasets:` / `test_datasets:`: where the records are and how they become tokens.
 *
 * Key names and defaults are axolotl's (https://docs.axolotl.ai/docs/config-reference.html), plus `sample_by`, which is
 * the option of that name of Hugging Face's text loader. Reading and tokenising happen elsewhere in this folder.
 */
import * as v from 'valibot'
import {
  decimal,
  flag,
  listOf,
  mapOf,
  nullable,
  NON_EMPTY,
  oneOf,
  optional,
  type OptionalField,
  takes,
  text,
  withExample,
  withJson,
} from '../../../core/contracts/config-fields.ts'
import type { Field } from '../../../core/contracts/config-fields.ts'
import { CHAT_TEMPLATE_CHOICES, type ChatTemplateChoice } from '../chat/chat-template-source.ts'
import type { DatasetInput, UserDefinedInput, UserDefinedPreferenceInput } from './dataset-input.ts'
import {
  DATASET_TYPES,
  FILE_FORMATS,
  PROMPT_TYPE_NAMES,
  type FileFormat,
  type TrainOnEos,
  type UserDefinedPreference,
  type UserDefinedType,
} from './dataset-words.ts'
import { SPLIT } from '../files/record-slice.ts'

/** An entry of `datasets`, checked and with all defaults filled in. */
export interface DatasetOptions {
  /** A file or a folder. */
  readonly path: string
  /** A name of DATASET_TYPES, one that a plugin provides, or a prompt of one's own. */
  readonly type: string | UserDefinedType | UserDefinedPreference
  /** Options of a plugin's type; it checks them itself. */
  readonly type_options: Readonly<Record<string, unknown>>
  /** Of a dataset on the hub: one of its configurations; null: its default. */
  readonly name: string | null
  /** Of a dataset on the hub: a branch, a tag or a commit. */
  readonly revision: string | null
  /** The entry's share of the examples, against those of the others; null: as many as it has, or 1 where another has a weight. */
  readonly weight: number | null
  /** A split that the names of the files tell, or a part of it: `test`, `train[:100]`, `train[10%:]`; null: `train`. */
  readonly split: string | null
  /** Files inside `path` when that is a folder, else relative to the working folder. */
  readonly data_files: readonly string[]
  /** Decides the reader where the file name does not. */
  readonly ds_type: FileFormat | null
  /** Documents are tokenised one by one into a file and not held in memory; only texts. */
  readonly streaming: boolean
  /** What one record of a text file is; `line` as in Hugging Face's text loader. */
  readonly sample_by: 'line' | 'paragraph' | 'document'
  /** completion: where the text is. */
  readonly field: string
  readonly field_messages: string | null
  readonly field_system: string
  /** Preferences by chat template: where the better answer is; null: `chosen`. */
  readonly field_chosen: string | null
  /** Where the worse answer is; null: `rejected`. */
  readonly field_rejected: string | null
  readonly message_property_mappings: Readonly<Record<string, string>>
  /** `{ target: [sources] }`; null takes the default map. */
  readonly roles: Readonly<Record<string, readonly string[]>> | null
  readonly roles_to_train: readonly string[]
  readonly train_on_eos: TrainOnEos
  /** null: as `train_on_eos`. */
  readonly train_on_eot: TrainOnEos | null
  /** Name of a boolean of each message that overrules `roles_to_train`. */
  readonly message_field_training: string | null
  /** Name of a list of each message, `{ begin_offset, end_offset, train }`: which characters of its content are trained. */
  readonly message_field_training_detail: string | null
  readonly drop_system_message: boolean
  /** The template of this entry; null: that of the run. */
  readonly chat_template: ChatTemplateChoice | null
  readonly chat_template_jinja: string | null
  /** Key of the record's list of tools. */
  readonly field_tools: string
  /** Key of a message's reasoning in the data, and the name under which the template knows it. */
  readonly field_thinking: string
  readonly template_thinking_key: string
  /** Takes `<think>…</think>` out of the content and hands it to the template as reasoning. */
  readonly split_thinking: boolean
}

const LATER_TYPES = ['creative_acr.load_critique', 'creative_acr.load_revise', 'llama2_chat', 'pretrain']

const userDefinedFields = {
  system_prompt: optional(v.string('expected a text'), ''),
  system_format: optional(text(), '{system}'),
  field_system: optional(text(), 'system'),
  field_instruction: optional(text(), 'instruction'),
  field_input: optional(text(), 'input'),
  field_output: optional(text(), 'output'),
  format: optional(text('a prompt such as "{instruction} {input}"'), '{instruction} {input} '),
  no_input_format: optional(text(), '{instruction} '),
}

const userDefinedType: Field<UserDefinedType, UserDefinedInput> = v.strictObject(
  userDefinedFields,
  'expected the name of a dataset type or a mapping with "format"',
)

/** What may stand in a format of one's own for preferences; `user_defined.default` takes the same. */
export const preferenceFields: {
  readonly [K in keyof UserDefinedPreference]: OptionalField<string, string>
} = {
  field_system: optional(text(), 'system'),
  field_prompt: optional(text(), 'prompt'),
  field_chosen: optional(text(), 'chosen'),
  field_rejected: optional(text(), 'rejected'),
  field_completion: optional(text(), 'completion'),
  field_label: optional(text(), 'label'),
  prompt_format: optional(text(), '{prompt}'),
  chosen_format: optional(text(), '{chosen}'),
  rejected_format: optional(text(), '{rejected}'),
  completion_format: optional(text(), '{completion}'),
}

const userDefinedPreference: Field<UserDefinedPreference, UserDefinedPreferenceInput> = v.strictObject(
  preferenceFields,
  'expected the name of a dataset type or a mapping with "prompt_format"',
)

/** Whether a mapping is one of preferences: by a key that only those have. */
function isOfPreferences(mapping: object): boolean {
  return Object.keys(preferenceFields).some((key) => key !== 'field_system' && Object.hasOwn(mapping, key))
}

type TypeInput = NonNullable<DatasetInput['type']>

/** A name that is not known may be a plugin's; one that axolotl knows is not here yet. */
const typeField: Field<DatasetOptions['type'], TypeInput> = withJson<DatasetOptions['type'], TypeInput>(
  v.lazy((input) => {
    if (typeof input === 'object' && input !== null)
      return isOfPreferences(input) ? userDefinedPreference : userDefinedType
    return typeof input === 'string' && LATER_TYPES.includes(input)
      ? oneOf(DATASET_TYPES, { later: LATER_TYPES })
      : text('the name of a dataset type or a mapping with "format"')
  }),
  {
    anyOf: [
      { enum: [...DATASET_TYPES, ...PROMPT_TYPE_NAMES] },
      { ...NON_EMPTY, not: { enum: LATER_TYPES } },
      {
        type: 'object',
        properties: Object.fromEntries(
          Object.keys({ ...userDefinedFields, ...preferenceFields }).map((key) => [
            key,
            { type: ['string', 'null'] },
          ]),
        ),
        additionalProperties: false,
      },
    ],
  },
)

const fileList: Field<readonly string[], readonly string[] | string> = v.pipe(
  v.union([v.string(), v.array(v.string())], 'expected a file name or a list of file names'),
  v.transform((files) => (typeof files === 'string' ? [files] : files)),
)

const eosField: Field<TrainOnEos, TrainOnEos> = oneOf(['turn', 'all', 'last', 'none'])
const splitField: Field<string, string> = v.pipe(
  text(),
  v.regex(
    SPLIT,
    'expected a split such as train or test, or a part of one such as train[:100] or train[:10%]',
  ),
)

const schema = v.strictObject(
  {
    path: withExample(text('a file or a folder'), 'path: my-data.jsonl'),
    type: optional(typeField, 'tokenized'),
    type_options: optional(mapOf(v.unknown()), {}),
    name: nullable(text()),
    revision: nullable(text()),
    weight: nullable(decimal({ above: 0 })),
    split: nullable(splitField),
    data_files: optional(fileList, []),
    ds_type: nullable(oneOf(FILE_FORMATS)),
    streaming: optional(flag(), false),
    sample_by: optional(oneOf(['line', 'paragraph', 'document']), 'line'),
    field: optional(text(), 'text'),
    field_messages: nullable(text()),
    field_system: optional(text(), 'system'),
    field_chosen: nullable(text()),
    field_rejected: nullable(text()),
    message_property_mappings: optional(mapOf(text()), {}),
    roles: nullable(mapOf(listOf(text()))),
    roles_to_train: optional(listOf(text()), ['assistant']),
    train_on_eos: optional(eosField, 'turn'),
    train_on_eot: nullable(eosField),
    message_field_training: nullable(text()),
    message_field_training_detail: nullable(text()),
    drop_system_message: optional(flag(), false),
    chat_template: nullable(oneOf(CHAT_TEMPLATE_CHOICES)),
    chat_template_jinja: nullable(text('a Jinja template or the path of one')),
    field_tools: optional(text(), 'tools'),
    field_thinking: optional(text(), 'reasoning_content'),
    template_thinking_key: optional(text(), 'reasoning_content'),
    split_thinking: optional(flag(), false),
  },
  'expected a mapping with "path" and "type"',
)

/** The schema, whose keys and input are those of `DatasetInput`, neither more nor less. */
export const datasetOptions: Field<DatasetOptions, DatasetInput> = takes<DatasetInput>()(schema)
