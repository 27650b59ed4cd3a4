/**
 * Messages as OpenAI's clients write them → as chat templates read them: parts of text are one text, the arguments of calls are objects.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { ChatMessage } from '../../tokenizer/mod.ts'
import { jsonOf, objectOf, type Tool } from '../tools/tool-format.ts'
import type { GivenMessage, GivenPart, GivenTool } from './chat-request.ts'

/** Throws E_UNSUPPORTED for a part that is no text. */
export function templateMessages(messages: readonly GivenMessage[]): ChatMessage[] {
  return messages.map(({ role, content, tool_calls, ...rest }, at) => ({
    ...rest,
    // The newer name of the same role.
    role: role === 'developer' ? 'system' : role,
    content: contentOf(content ?? null, at),
    ...(tool_calls
      ? {
          tool_calls: tool_calls.map((call) => ({
            ...call,
            type: 'function',
            function: {
              ...call.function,
              arguments: objectOf(jsonOf(call.function.arguments)) ?? call.function.arguments,
            },
          })),
        }
      : {}),
  }))
}

export function toolsOf(given: readonly GivenTool[]): Tool[] {
  return given.map(({ function: { name, description = null, parameters = null } }) => ({
    name,
    description,
    parameters,
  }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function contentOf(content: string | readonly GivenPart[] | null, at: number): string | null {
  if (content === null || typeof content === 'string') return content
  return content
    .map(({ type, text }, i) => {
      if (type === 'text' && text !== undefined) return text
      throw new TrituneError('E_UNSUPPORTED', `the model reads text, this is a part of type ${type}`, {
        place: `messages[${at}].content[${i}]`,
        remedy: 'leave it out, or put what it says into words',
      })
    })
    .join('')
}
