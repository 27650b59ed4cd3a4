/**
 * `type:` as a mapping: a prompt format of one's own with `{instruction}`, `{input}` and `{system}`.
 *
 * `format` is used when the record has an input (or no `no_input_format` is given), `no_input_format` otherwise; a
 * system text, from the record or `system_prompt`, goes in front through `system_format`.
 */
import type { UserDefinedType } from './dataset-options.ts'
import { optionalTextField, textField } from './dataset-type.ts'
import type { DatasetType } from './dataset-type.ts'
import { tokenizePromptResponse } from './prompt-response.ts'

export function userDefined(options: UserDefinedType): DatasetType {
  return {
    name: 'user_defined',
    tokenize(record, context) {
      const instruction = optionalTextField(record, options.field_instruction)
      const input = optionalTextField(record, options.field_input)
      const system = optionalTextField(record, options.field_system) || options.system_prompt
      const format =
        input === '' && options.no_input_format !== null ? options.no_input_format : options.format
      const values = { instruction, input, system }
      const usesSystem = format.includes('{system}')
      const opening = system === '' || usesSystem ? '' : fill(options.system_format, values)
      const response = textField(record, options.field_output)
      return tokenizePromptResponse(opening + fill(format, values), response, record.source, context)
    },
  }
}

/** One pass: braces inside the values stay as they are. */
function fill(format: string, values: Readonly<Record<string, string>>): string {
  return format.replace(/\{(instruction|input|system)\}/g, (_, name: string) => values[name])
}
