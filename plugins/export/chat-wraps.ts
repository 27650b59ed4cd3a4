/**
 * A chat template as what stands before and after the messages of each role, where it is no more than that. Found by rendering
 * conversations with it, and proved by rendering others: what is left is the same text, whatever the template is written in.
 */
import { TrituneError } from '../../core/mod.ts'

/** What a role puts around a message. */
export interface Wrap {
  readonly before: string
  readonly after: string
}

/** A whole template. */
export interface ChatWraps {
  /** Before everything. */
  readonly start: string
  /** null: the template has no system messages. */
  readonly system: Wrap | null
  readonly user: Wrap
  readonly assistant: Wrap
  /** The system message of a conversation that has none; null: nothing. */
  readonly defaultSystem: string | null
}

type Message = { readonly role: string; readonly content: string }

type Render = (messages: readonly Message[], options: { readonly addGenerationPrompt: boolean }) => string

/** Texts that no template has. */
const [S, U, A, V, B] = ['Qsystemq', 'Quserq', 'Qassistantq', 'Qagainq', 'Qanswerq']
const system: Message = { role: 'system', content: S }
const user: Message = { role: 'user', content: U }
const assistant: Message = { role: 'assistant', content: A }
const again: Message = { role: 'user', content: V }
const answer: Message = { role: 'assistant', content: B }

/** null when the template is more than wraps: it counts messages, names dates, moves texts. `bos`: what the tokenizer adds itself. */
export function findChatWraps(render: Render, bos: string): ChatWraps | null {
  try {
    return find((messages, options) => {
      const text = render(messages, options)
      return bos !== '' && text.startsWith(bos) ? text.slice(bos.length) : text
    })
  } catch (error) {
    // A template may refuse a conversation; then it is no such one.
    if (error instanceof TrituneError) return null
    throw error
  }
}

/** A conversation as the wraps give it. */
export function wrapChat(
  wraps: ChatWraps,
  messages: readonly Message[],
  addGenerationPrompt: boolean,
): string {
  const withSystem =
    wraps.defaultSystem !== null && messages[0]?.role !== 'system'
      ? [{ role: 'system', content: wraps.defaultSystem }, ...messages]
      : messages
  const body = withSystem.map(({ role, content }) => {
    const wrap = role === 'system' ? wraps.system : role === 'user' ? wraps.user : wraps.assistant
    return wrap === null ? '' : wrap.before + content + wrap.after
  })
  return wraps.start + body.join('') + (addGenerationPrompt ? wraps.assistant.before : '')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function find(render: Render): ChatWraps | null {
  const text = (messages: readonly Message[], addGenerationPrompt = false): string =>
    render(messages, { addGenerationPrompt })
  const alone = text([user])
  const [first, afterUser] = cut(alone, U)
  const [, rest] = cut(text([user, assistant, again]), U)
  const [between, tail] = cut(rest, A)
  const [toUser, end] = cut(tail, V)
  const [, afterAssistant] = cut(cut(text([user, assistant]), U)[1], A)
  if (end !== afterUser || !between.startsWith(afterUser) || !toUser.startsWith(afterAssistant)) return null
  const wraps = {
    user: { before: toUser.slice(afterAssistant.length), after: afterUser },
    assistant: { before: between.slice(afterUser.length), after: afterAssistant },
  }
  const withSystem = systemOf(text, wraps.user.before)
  if (!first.endsWith(wraps.user.before)) return null
  const lead = first.slice(0, first.length - wraps.user.before.length)
  const found = startOf(lead, withSystem)
  if (found === null) return null
  const all: ChatWraps = { ...wraps, ...found }
  return isProved(all, text) ? all : null
}

/** The text before the system message, and what is after it; null where the template takes none. */
function systemOf(text: (messages: readonly Message[]) => string, beforeUser: string): Wrap | null {
  let rendered: string
  try {
    rendered = text([system, user])
  } catch (error) {
    if (error instanceof TrituneError) return null
    throw error
  }
  if (!rendered.includes(S)) return null
  const [before, rest] = cut(rendered, S)
  const [middle] = cut(rest, U)
  return middle.endsWith(beforeUser)
    ? { before, after: middle.slice(0, middle.length - beforeUser.length) }
    : null
}

/** Tells what stands before a conversation without a system message: a start, or a system message of the template's own. */
function startOf(
  lead: string,
  withSystem: Wrap | null,
): Pick<ChatWraps, 'start' | 'system' | 'defaultSystem'> | null {
  if (withSystem === null) return { start: lead, system: null, defaultSystem: null }
  const { before, after } = withSystem
  if (before.startsWith(lead))
    return { start: lead, system: { before: before.slice(lead.length), after }, defaultSystem: null }
  if (!lead.startsWith(before) || !lead.endsWith(after) || lead.length <= before.length + after.length)
    return null
  return {
    start: '',
    system: withSystem,
    defaultSystem: lead.slice(before.length, lead.length - after.length),
  }
}

function isProved(
  wraps: ChatWraps,
  text: (messages: readonly Message[], generation?: boolean) => string,
): boolean {
  const conversations = [
    [user],
    [user, assistant, again],
    [user, assistant, again, answer, { ...user, content: B }],
  ]
  const all = [
    ...conversations,
    ...(wraps.system ? conversations.map((messages) => [system, ...messages]) : []),
  ]
  return all.every((messages) => wrapChat(wraps, messages, true) === text(messages, true))
}

/** The text before and after a marker; throws where it is not there once. */
function cut(text: string, marker: string): [before: string, after: string] {
  const parts = text.split(marker)
  if (parts.length !== 2)
    throw new TrituneError('E_UNSUPPORTED', `the template shows a message ${parts.length - 1} times`)
  return [parts[0], parts[1]]
}
