/**
 * Whether and how the texts of a request may call tools.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { ServedVoice } from '../model/served-model.ts'
import type { Tool, ToolFormat } from './tool-format.ts'
import { toolFormatOf } from './tool-watch.ts'

/** Which tools there are, and how calls of them are written. */
export interface ToolUse {
  readonly format: ToolFormat
  readonly tools: readonly Tool[]
}

/** `none`: the model is not told of them; `auto`: it calls them or not. */
export type ToolMode = 'none' | 'auto' | 'forced'

/** null: there are no tools to call. Throws E_UNSUPPORTED when the model has no way to call them. */
export function toolUseOf(
  { name, tokenizer }: ServedVoice,
  tools: readonly Tool[],
  mode: ToolMode,
): ToolUse | null {
  if (tools.length === 0 || mode === 'none') return null
  if (mode === 'forced')
    throw new TrituneError('E_UNSUPPORTED', 'a call of a tool cannot be forced', {
      place: 'tool_choice',
      remedy: 'use auto or none',
    })
  const templates = tokenizer.chatTemplates
  const format = toolFormatOf(templates.get('tool_use') ?? templates.get('default'))
  if (format) return { format, tools }
  throw new TrituneError(
    'E_UNSUPPORTED',
    `the chat template of ${name} shows no way to call tools that is known here`,
    { place: 'tools', remedy: 'leave tools out, or describe them in a message' },
  )
}

/** As templates know them. */
export function templateTools(tools: readonly Tool[]): unknown[] {
  return tools.map(({ name, description, parameters }) => ({
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  }))
}
