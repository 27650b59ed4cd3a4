/** Which dataset type the records of a file are, by their first: as mlx-lm tells them apart. */
import { readRecords } from '../../data/mod.ts'

export interface RecordType {
  readonly entry: Readonly<Record<string, unknown>>
  /** What is not quite the same. */
  readonly note?: string
}

export function typeOfFile(path: string): RecordType {
  const fields = fieldsOfFirst(path)
  if (fields.includes('messages')) return { entry: { type: 'chat_template', field_messages: 'messages' } }
  if (fields.includes('prompt') && fields.includes('completion'))
    return {
      entry: {
        type: {
          field_instruction: 'prompt',
          field_output: 'completion',
          format: '{instruction}\n',
          no_input_format: '{instruction}\n',
        },
      },
      note: 'prompts stand without the chat template',
    }
  return { entry: { type: 'completion', field: 'text' } }
}

function fieldsOfFirst(path: string): string[] {
  for (const { value } of readRecords(path, { ds_type: null, sample_by: 'line', field: 'text' }))
    return Object.keys(value)
  return []
}
