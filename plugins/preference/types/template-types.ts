/**
 * axolotl's types of preferences by chat template: `chat_template.default`, `chat_template.argilla_chat` and `chat_template.argilla`. As there, an
 * answer is what the template writes from its content on, without white space at the end.
 */
import type {
  ChatMessage,
  DataRecord,
  DatasetContext,
  DatasetDefinition,
  TokenizedExample,
} from '../../../core/mod.ts'
import type { TokenizeContext } from '../../data/mod.ts'
import { pairExample, recordError } from './answers-example.ts'
import { contentOf, messagesOf, optionalTextOf, textOf, valueOf } from './record-fields.ts'

type TemplateType = DatasetDefinition<TokenizeContext>

/** A prompt, and two answers to it that may be messages of their own. */
const byDefault: TemplateType = {
  name: 'chat_template.default',
  makes: ['pair'],
  tokenize(record, context) {
    const { options } = context
    const read = reader(record, options)
    const asked = valueOf(record, options.field_messages ?? 'messages')
    const prompt =
      typeof asked === 'string' ? [read.user(asked)] : read.all(asked, options.field_messages ?? 'messages')
    const [chosen, rejected] = [options.field_chosen ?? 'chosen', options.field_rejected ?? 'rejected']
    return answers(record, prompt, { chosen: read.answer(chosen), rejected: read.answer(rejected) }, context)
  },
}

/** Two whole conversations. */
const argillaChat: TemplateType = {
  name: 'chat_template.argilla_chat',
  makes: ['pair'],
  tokenize(record, context) {
    const { options } = context
    const read = reader(record, options)
    const keys = [options.field_chosen ?? 'chosen', options.field_rejected ?? 'rejected']
    const [better, worse] = keys.map((key) => read.all(messagesOf(record, key, 2), key))
    const [prompt, other] = [better.slice(0, -1), worse.slice(0, -1)]
    if (JSON.stringify(prompt) !== JSON.stringify(other))
      throw recordError(
        record,
        `"${keys[0]}" and "${keys[1]}" differ before their last message, so they answer different prompts`,
      )
    return answers(
      record,
      prompt,
      { chosen: better[better.length - 1], rejected: worse[worse.length - 1] },
      context,
    )
  },
}

/** Conversations in turn of user and assistant, of which the last turn is the answer; the type of ORPO. */
const argilla: TemplateType = {
  name: 'chat_template.argilla',
  makes: ['pair'],
  tokenize(record, context) {
    const turns = messagesOf(record, 'chosen', 2)
    if (turns.length % 2 !== 0)
      throw recordError(
        record,
        `expected "chosen" to be turns of user and assistant, got ${turns.length} messages`,
      )
    const system = optionalTextOf(record, 'system')
    const question = record.value['prompt']
    const prompt: ChatMessage[] = [
      ...(system === '' ? [] : [{ role: 'system', content: system }]),
      ...turns.slice(0, -1).map((_, i): ChatMessage =>
        i % 2 === 1
          ? { role: 'assistant', content: contentOf(record, 'chosen', i) }
          : {
              role: 'user',
              content: typeof question === 'string' ? question : contentOf(record, 'chosen', i),
            },
      ),
    ]
    const render = (messages: readonly ChatMessage[], addGenerationPrompt: boolean): string =>
      context.tokenizer.renderChat(messages, { addGenerationPrompt })
    const opening = render(prompt, true)
    const answer = (key: string): string =>
      render([...prompt, { role: 'assistant', content: contentOf(record, key, -1) }], false).slice(
        opening.length,
      )
    return pairExample(record, opening, { chosen: answer('chosen'), rejected: answer('rejected') }, context)
  },
}

/** For reward models: question and answers as texts, made conversations. */
const bradleyTerry: TemplateType = {
  name: 'bradley_terry.chat_template',
  makes: ['pair'],
  tokenize(record, context) {
    const system = optionalTextOf(record, 'system')
    const prompt: ChatMessage[] = [
      ...(system === '' ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: textOf(record, 'input') },
    ]
    const whole = (key: string): string =>
      context.tokenizer.renderChat([...prompt, { role: 'assistant', content: textOf(record, key) }], {
        addGenerationPrompt: false,
      })
    const opening = context.tokenizer.renderChat(prompt, { addGenerationPrompt: true })
    return pairExample(record, opening, { chosen: whole('chosen'), rejected: whole('rejected') }, context, {
      isRendered: true,
    })
  },
}

/** The types by name. */
export const TEMPLATE_TYPES: Readonly<Record<string, TemplateType>> = {
  [byDefault.name]: byDefault,
  [argillaChat.name]: argillaChat,
  [argilla.name]: argilla,
  [bradleyTerry.name]: bradleyTerry,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Messages with the names that the entry has for properties and roles. */
function reader(
  record: DataRecord,
  { message_property_mappings: names, roles }: TokenizeContext['options'],
): {
  user(content: string): ChatMessage
  all(list: unknown, key: string): ChatMessage[]
  answer(key: string): ChatMessage
} {
  const [roleKey, contentKey] = [names['role'] ?? 'role', names['content'] ?? 'content']
  const known = roles ?? { user: ['user'], assistant: ['assistant'], system: ['system'], tool: ['tool'] }
  const one = (message: unknown, key: string): ChatMessage => {
    const [role, content]: unknown[] = [roleKey, contentKey].map((name) => Reflect.get(Object(message), name))
    const target = Object.entries(known).find(([, sources]) => sources.some((source) => source === role))?.[0]
    if (typeof content !== 'string')
      throw recordError(record, `"${key}" has a message without "${contentKey}"`)
    if (target === undefined)
      throw recordError(
        record,
        `"${key}" has a message of the role ${JSON.stringify(role)}`,
        `use ${Object.values(known).flat().join(', ')}, or say under roles: what it stands for`,
      )
    return { role: target, content }
  }
  return {
    user: (content) => ({ role: 'user', content }),
    all(list, key) {
      if (Array.isArray(list) && list.length > 0) return list.map((message: unknown) => one(message, key))
      throw recordError(record, `expected "${key}" to be a text or a list of messages`)
    },
    answer(key) {
      const value = valueOf(record, key)
      if (typeof value === 'string') return { role: 'assistant', content: value }
      return one(Array.isArray(value) ? value.at(-1) : value, key)
    },
  }
}

function answers(
  record: DataRecord,
  prompt: readonly ChatMessage[],
  { chosen, rejected }: { readonly chosen: ChatMessage; readonly rejected: ChatMessage },
  context: DatasetContext,
): TokenizedExample {
  const opening = context.tokenizer.renderChat(prompt, { addGenerationPrompt: true })
  return pairExample(
    record,
    opening,
    { chosen: writtenAnswer(chosen, context), rejected: writtenAnswer(rejected, context) },
    context,
  )
}

/** What the template writes from the content of an answer on, after a message that stands for any prompt. */
function writtenAnswer(answer: ChatMessage, { tokenizer }: DatasetContext): string {
  const content = String(answer.content)
  if (content === '') return ''
  const text = tokenizer.renderChat([{ role: 'user', content: '[[dummy_message]]' }, answer], {
    addGenerationPrompt: false,
  })
  return text.slice(text.indexOf(content)).trimEnd()
}
