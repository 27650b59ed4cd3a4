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
  /** Those of which one has to be called; null: the model calls them or not. */
  readonly forced: readonly Tool[] | null
}

/** Whether tools are called. `none`: the model is not told of them; `auto`: it calls them or not; `forced`: it calls one, that of the name if there is one. */
export type ToolMode =
  | { readonly type: 'none' | 'auto' }
  | { readonly type: 'forced'; readonly name: string | null }

/** null: there are no tools to call. Throws E_UNSUPPORTED when the model has no way to call them, E_CONFIG for a tool that is not among them. */
export function toolUseOf(
  { name, tokenizer }: ServedVoice,
  tools: readonly Tool[],
  mode: ToolMode,
): ToolUse | null {
  const forced = mode.type === 'forced' ? forcedOf(tools, mode.name) : null
  if (tools.length === 0 || mode.type === 'none') return null
  const templates = tokenizer.chatTemplates
  const format = toolFormatOf(templates.get('tool_use') ?? templates.get('default'))
  if (format) return { format, tools, forced }
  throw new TrituneError(
    'E_UNSUPPORTED',
    `the chat template of ${name} shows no way to call tools that is known here`,
    { place: 'tools', remedy: 'leave tools out, or describe them in a message' },
  )
}

/** What the answer is opened with for the model; empty: nothing. */
export function openingOf(use: ToolUse | null): string {
  return use?.forced ? use.format.forced.opening : ''
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

// ---- helpers ----------------------------------------------------------------------------------------------------

function forcedOf(tools: readonly Tool[], name: string | null): readonly Tool[] {
  const found = tools.filter((tool) => name === null || tool.name === name)
  if (found.length > 0) return found
  throw new TrituneError('E_CONFIG', name === null ? 'there are no tools' : `there is no tool "${name}"`, {
    place: 'tool_choice',
    remedy: 'give it in tools',
  })
}
