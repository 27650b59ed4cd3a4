/**
 * `[TOOL_CALLS]` of Mistral's models: a list of JSON after it, or a name and JSON for each call.
 */
import {
  allOf,
  callOf,
  jsonOf,
  objectOf,
  randomLetters,
  type ToolCall,
  type ToolFormat,
} from './tool-format.ts'

export const mistral: ToolFormat = {
  name: 'mistral',
  isIn: (template) => template.includes('[TOOL_CALLS]'),
  markers: ['[TOOL_CALLS]'],
  opening: null,
  parse(text) {
    const list = jsonOf(text.trim())
    if (Array.isArray(list)) return allOf(list.map((one) => callOf(one)))
    return allOf(text.split('[TOOL_CALLS]').map(namedCall))
  },
  forced: { opening: '[TOOL_CALLS][', key: 'arguments' },
  // Its templates take ids of nine letters and nothing else.
  newId: () => randomLetters(9),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function namedCall(text: string): ToolCall | null {
  const [, name = '', json = ''] =
    /^\s*([\w.-]+)\s*(?:\[CALL_ID\]\w+)?(?:\[ARGS\])?\s*(\{[\s\S]*\})\s*$/.exec(text) ?? []
  const found = objectOf(jsonOf(json))
  return name === '' || found === null ? null : { name, arguments: found }
}
