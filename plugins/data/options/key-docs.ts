/**
 * What is said of each key of an entry of `datasets:`: the one place. docs/yaml.md, the comments of `DatasetInput` and the JSON
 * Schema have it from here; `bun scripts/key-docs.ts --write` puts it there.
 */

import type { DatasetInput } from './dataset-input.ts'

/** What each key of an entry of `datasets` means, in Markdown whose links start in docs/. */
export const DATASET_KEY_DOCS: Readonly<Record<keyof DatasetInput, string>> = {
  path: 'a file, a folder whose file names tell its splits, or the name of a dataset on the hub (`org/name`)',
  type: '`alpaca`, `completion`, `chat_template`, `sharegpt`, `input_output`, `tokenized` (records with `input_ids`), `prompt` (for `rl: grpo`), another instruction type of axolotl, or a mapping with a `format` of your own: [plugins/data/README.md](../plugins/data/README.md)',
  type_options: "options of a plugin's type, which checks them itself",
  name: 'of a dataset on the hub: one of its configurations; not set: its default',
  revision: 'of a dataset on the hub: a branch, a tag or a commit; not set: `main`',
  weight:
    'the share of the entry among all examples, against the weights of the others (`1` where an entry has none): an epoch has as many examples as before, some of them again or not at all. Without any weight each example comes once',
  data_files: 'files inside `path`, which may have `*` in their names',
  ds_type: '`json`, `text`, `parquet`, `csv` or `arrow`, where the file name does not tell',
  split:
    'a split, or a part of one: `test`, `train[:100]`, `train[10%:]`; not set: `train`. File names tell the splits of a folder: [plugins/data/README.md](../plugins/data/README.md)',
  streaming:
    'the tokens go into a temporary file (in `dataset_prepared_path`, where that is set) instead of memory ([guides/from-scratch.md](guides/from-scratch.md))',
  sample_by: 'what one record of a text file is: `line`, `paragraph` or `document`',
  field: 'for `completion`: where the text is',
  field_messages: 'where the messages are; not set: `messages`, for `sharegpt` `conversations`',
  field_system: 'where a system message stands beside the messages',
  field_chosen: 'preferences by chat template: where the better answer is. Not set: `chosen`',
  field_rejected: 'where the worse answer is. Not set: `rejected`',
  message_property_mappings:
    'other names for the properties of a message, such as `{ role: from, content: value }`',
  roles: 'names that stand for a role, such as `{ user: [human, user] }`',
  roles_to_train: 'whose turns are learned',
  train_on_eos: 'learn the EOS token after trained turns (`turn`), after `all`, the `last`, or `none`',
  train_on_eot: 'the same for `eot_tokens`; not set: as `train_on_eos`',
  message_field_training:
    'a boolean of each message (or 1 and 0, as the `weight` of OpenAI) that overrules `roles_to_train`',
  message_field_training_detail:
    'a list of each message, `{ begin_offset, end_offset, train }`: which characters of its content are learned, the last one included',
  chat_template: 'another chat template for this entry',
  chat_template_jinja: 'the same as Jinja, or the path of a file with it',
  drop_system_message: 'leave a leading system message out',
  field_tools: "the key of a record's tools",
  field_thinking: "the key of a message's reasoning",
  template_thinking_key: 'the name under which the chat template knows it',
  split_thinking: 'take `<think>…</think>` out of the content and hand it to the template as reasoning',
}
