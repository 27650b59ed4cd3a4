/**
 * `type:` as a mapping: a prompt format of one's own with `{instruction}`, `{input}` and `{system}`; `{{` and `}}` are
 * braces, as in Python's `str.format`, which axolotl fills it with.
 *
 * `format` is used when the record has an input, `no_input_format` otherwise; a system text, from the record or
 * `system_prompt`, goes in front through `system_format`.
 */
import { ConfigError } from '../../../core/contracts/config.ts'
import type { UserDefinedType } from '../options/dataset-words.ts'
import { optionalTextField, textField } from './dataset-type.ts'
import type { DataRecord, DatasetType } from './dataset-type.ts'
import { tokenizePromptResponse } from './prompt-response.ts'

/** Throws a ConfigError when a format cannot be filled. */
export function userDefined(options: UserDefinedType): DatasetType {
  const withInput = parseFormat('format', options.format, ['instruction', 'input', 'system'])
  const withoutInput = parseFormat('no_input_format', options.no_input_format, ['instruction', 'system'])
  const opening = parseFormat('system_format', options.system_format, ['system'])
  return {
    name: 'user_defined',
    tokenize(record, context) {
      const input = optionalTextField(record, options.field_input)
      const format = input === '' ? withoutInput : withInput
      const values = {
        instruction: format.uses('instruction') ? textField(record, options.field_instruction) : '',
        input,
        system: systemOf(record, options),
      }
      const isOpened = values.system !== '' && !format.uses('system')
      const prompt = (isOpened ? opening.write(values) : '') + format.write(values)
      return tokenizePromptResponse(prompt, textField(record, options.field_output), record.source, context)
    },
  }
}

/** The record's own, even when it is empty, or else the prompt of the configuration. */
function systemOf(record: DataRecord, { field_system, system_prompt }: UserDefinedType): string {
  return record.value[field_system] === undefined ? system_prompt : optionalTextField(record, field_system)
}

/** A prompt format, ready to be filled. */
export interface Format {
  uses(field: string): boolean
  /** One pass: braces inside the values stay as they are. */
  write(values: Readonly<Record<string, string>>): string
}

/** Throws a ConfigError at `type` → `key` when the format cannot be filled with these fields. */
export function parseFormat(key: string, format: string, fields: readonly string[]): Format {
  const refuse = (what: string): ConfigError =>
    new ConfigError([
      {
        path: ['type', key],
        what: `${what} in ${JSON.stringify(format)}`,
        remedy: `use ${fields.map((field) => `{${field}}`).join(', ')}; a brace of the text is written twice`,
      },
    ])
  /** Texts and, at odd places, names of fields. */
  const parts: string[] = ['']
  for (const [token] of format.matchAll(/\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]/g)) {
    if (token === '{{' || token === '}}') parts[parts.length - 1] += token[0]
    else if (token === '{' || token === '}') throw refuse(`there is a single "${token}"`)
    else if (token.startsWith('{')) {
      const field = token.slice(1, -1)
      if (!fields.includes(field)) throw refuse(`there is no field "${token}"`)
      parts.push(field, '')
    } else parts[parts.length - 1] += token
  }
  return {
    uses: (field) => parts.some((part, i) => i % 2 === 1 && part === field),
    write: (values) => parts.map((part, i) => (i % 2 === 1 ? values[part] : part)).join(''),
  }
}
