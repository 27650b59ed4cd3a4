/** Which dataset type the records of a file are, by their first: as mlx-lm tells them apart. */
import { readFileSync } from 'node:fs'

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
  const first = readFileSync(path, 'utf8').split('\n', 1)[0]
  try {
    const value: unknown = JSON.parse(first)
    return typeof value === 'object' && value !== null ? Object.keys(value) : []
  } catch {
    return []
  }
}
