/**
 * `<tool_call>` with JSON inside: Hermes, Qwen 2.5 and 3, SmolLM 3 and many more; or with `<function=…>` inside, as Qwen 3 Coder writes.
 */
import {
  allOf,
  callOf,
  jsonOf,
  objectOf,
  randomLetters,
  type Tool,
  type ToolCall,
  type ToolFormat,
} from './tool-format.ts'

export const hermes: ToolFormat = {
  name: 'hermes',
  isIn: (template) => template.includes('<tool_call>'),
  markers: ['<tool_call>'],
  opening: null,
  parse(text, tools) {
    const blocks = text.split('<tool_call>').map((block) => block.split('</tool_call>')[0].trim())
    return allOf(
      blocks
        .filter((block) => block !== '')
        .map((block) => callOf(jsonOf(block)) ?? functionOf(block, tools)),
    )
  },
  forced: { opening: '<tool_call>\n', key: 'arguments' },
  newId: () => `call_${randomLetters(24)}`,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function functionOf(block: string, tools: readonly Tool[]): ToolCall | null {
  const [, name = '', body = ''] = /^<function=([^>\s]+)>([\s\S]*)<\/function>$/.exec(block) ?? []
  if (name === '') return null
  const properties = objectOf(tools.find((tool) => tool.name === name)?.parameters?.['properties']) ?? {}
  const found = [...body.matchAll(/<parameter=([^>\s]+)>\n?([\s\S]*?)\n?<\/parameter>/g)]
  return {
    name,
    arguments: Object.fromEntries(found.map(([, key, value]) => [key, valueOf(value, properties[key])])),
  }
}

/** What is no text by the schema is written as JSON. */
function valueOf(text: string, schema: unknown): unknown {
  if (objectOf(schema)?.['type'] === 'string') return text
  const value = jsonOf(text)
  return value === undefined ? text : value
}
