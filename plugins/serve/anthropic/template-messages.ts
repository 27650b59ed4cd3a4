/**
 * Messages as Anthropic's clients write them → as chat templates read them: the results of tools are messages of their own, calls are a field of the
 * assistant's message.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { ChatMessage } from '../../tokenizer/mod.ts'
import type { Tool } from '../tools/tool-format.ts'
import type { GivenBlock, GivenMessage, GivenTool } from './messages-request.ts'

/** Throws E_UNSUPPORTED for a block that is no text and no tool. */
export function messagesForTemplate(
  system: string | readonly GivenBlock[] | null,
  messages: readonly GivenMessage[],
): ChatMessage[] {
  const first = system === null ? [] : [{ role: 'system', content: textOf(system, 'system') }]
  return [...first, ...messages.flatMap((message, at) => split(message, `messages[${at}].content`))]
}

export function toolsOf(given: readonly GivenTool[]): Tool[] {
  return given.map(({ name, description = null, input_schema }) => ({
    name,
    description,
    parameters: input_schema,
  }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function split({ role, content }: GivenMessage, place: string): ChatMessage[] {
  if (typeof content === 'string') return [{ role, content }]
  const results = content.filter(({ type }) => type === 'tool_result')
  const calls = content.filter(({ type }) => type === 'tool_use')
  const rest = content.filter((block) => !results.includes(block) && !calls.includes(block))
  const said = textOf(rest, place)
  return [
    ...results.map((block) => ({
      role: 'tool',
      tool_call_id: block.tool_use_id,
      content: textOf(block.content ?? '', place),
    })),
    ...(said === '' && calls.length === 0 && results.length > 0
      ? []
      : [{ role, content: said, ...(calls.length > 0 ? { tool_calls: calls.map(callOf) } : {}) }]),
  ]
}

function callOf({ id, name, input = {} }: GivenBlock): object {
  return { id, type: 'function', function: { name, arguments: input } }
}

function textOf(content: string | readonly GivenBlock[], place: string): string {
  if (typeof content === 'string') return content
  return content
    .map(({ type, text }, at) => {
      if (type === 'text' && text !== undefined) return text
      throw new TrituneError('E_UNSUPPORTED', `the model reads text, this is a block of type ${type}`, {
        place: `${place}[${at}]`,
        remedy: 'leave it out, or put what it says into words',
      })
    })
    .join('')
}
