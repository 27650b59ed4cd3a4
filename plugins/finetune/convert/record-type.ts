/** Which dataset type the records of a file are, by their first: as mlx-lm tells them apart. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

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
  try {
    const value: unknown = JSON.parse(firstLine(path))
    return typeof value === 'object' && value !== null ? Object.keys(value) : []
  } catch {
    return []
  }
}

/** A record is not longer; a file can be larger than memory. */
const LONGEST = 1 << 24

function firstLine(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(Math.min(LONGEST, fstatSync(file).size))
    const size = readSync(file, bytes, 0, bytes.length, 0)
    return new TextDecoder().decode(bytes.subarray(0, size)).split('\n', 1)[0]
  } finally {
    closeSync(file)
  }
}
