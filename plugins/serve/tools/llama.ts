/**
 * `{"name": …, "parameters": …}` as the whole text: Llama 3.1 to 3.3, with or without `<|python_tag|>` before it; several with `;` between.
 */
import { allOf, callOf, jsonOf, randomLetters, type ToolFormat } from './tool-format.ts'

export const llama: ToolFormat = {
  name: 'llama',
  isIn: (template) => template.includes('<|python_tag|>') || /"name":[^\n]*"parameters":/.test(template),
  markers: ['<|python_tag|>'],
  opening: '{',
  parse(text) {
    return allOf(text.split(/(?<=\})\s*;\s*(?=\{)/).map((part) => callOf(jsonOf(part), KEYS)))
  },
  forced: { opening: '', key: 'parameters' },
  newId: () => `call_${randomLetters(24)}`,
}

const KEYS = ['parameters', 'arguments']
