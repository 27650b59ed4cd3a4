/**
 * `type: chat_template`: conversations through the chat template of the tokenizer.
 *
 * The conversation is rendered and tokenised once, as `apply_chat_template` does. Trained is what the turns of
 * `roles_to_train` wrote (content, reasoning, tool calls) and the EOS (or EOT) token that follows a turn, as
 * `train_on_eos` says; where the template marks what the model writes (`{% generation %}`), that decides for the turns of
 * the assistant. Places are found by position (`chat-spans.ts`), never by looking for ids, so a pad token equal to EOS
 * does no harm.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { CharSpan, ChatMessage, TokenizerLike } from '../../../core/mod.ts'
import { assignGenerations } from './chat-generations.ts'
import { hasToolCalls, locateTurns } from './chat-spans.ts'
import type { TurnPlace } from './chat-spans.ts'
import { tokensOfParts, trainedParts, type TrainedParts } from './chat-parts.ts'
import { labelTurnEnds } from './chat-turn-ends.ts'
import { readConversation } from './chat-turns.ts'
import type { ChatTurn } from './chat-turns.ts'
import { IGNORE, placeOfRecord, recordError } from '../types/dataset-type.ts'
import type {
  DataRecord,
  DatasetType,
  RecordSource,
  TokenizeContext,
  TokenizedExample,
} from '../types/dataset-type.ts'
import { tokenSpans } from './token-spans.ts'

/**
 * The dataset type `chat_template`: records `{ messages: [{ role, content }] }` through the tokenizer's template; the
 * turns of `roles_to_train` are trained.
 */
export const chatTemplate: DatasetType = {
  name: 'chat_template',
  tokenize: (record, context) => tokenizeChat(record, context, 'messages'),
}

export function tokenizeChat(
  record: DataRecord,
  context: TokenizeContext,
  fieldMessages: string,
): TokenizedExample {
  const { tokenizer, options, trainOnInputs } = context
  const { source } = record
  const { turns, tools } = readConversation(record, options, { trainOnInputs, fieldMessages })
  const render = (some: readonly ChatMessage[]): string => renderOrThrow(tokenizer, some, tools, source)
  const all = turns.map(({ message }) => message)
  const text = render(all)
  const messages = withoutUnused(all, text, render, context)
  const isSpecial = (message: ChatMessage): boolean =>
    Object.keys(message).length > 2 || hasToolCalls(message)
  const places = locateTurns(messages, text, render, (i) => turns[i].isTrained || isSpecial(messages[i]))
  checkPlaces(turns, places, source)

  const generations = tokenizer.generationsOf?.(all, { addGenerationPrompt: false, tools })
  const trained = assignGenerations(turns, places, generations)
  turns.forEach((turn, i) => {
    if (turn.isTrained && trained[i] === undefined) throw notFound(turn, i, source)
    if (turn.isTrained && !turn.details) noteChanges(messages[i], places[i].spans, text, context)
  })
  const parts = turns.flatMap((turn, i) =>
    turn.isTrained ? trainedParts(turn, i, { messages, text, render, context, source }) : [],
  )
  const whole = trained.map((spans, i) => (turns[i].details ? [] : spans))
  return label(text, turns, places, whole, parts, context, source)
}

/** Tokens, and the labels of the spans that are trained. */
function label(
  text: string,
  turns: readonly ChatTurn[],
  places: readonly TurnPlace[],
  trained: readonly (readonly CharSpan[] | undefined)[],
  parts: readonly TrainedParts[],
  context: TokenizeContext,
  source: RecordSource,
): TokenizedExample {
  const encode = (part: string): number[] => context.tokenizer.encode(part, { addSpecialTokens: false })
  const ids = encode(text)
  const labels = new Int32Array(ids.length).fill(IGNORE)
  const located = turns.flatMap(({ isTrained }, i) => {
    // As in axolotl, an empty turn teaches nothing, not even to stop.
    return places[i].spans.filter((span) => !isEmpty(span)).map((span) => ({ isTrained, span }))
  })
  const inOrder = located.toSorted((a, b) => a.span.start - b.span.start)
  const turnTokens = tokenSpans(
    text,
    ids,
    inOrder.map(({ span }) => span),
    encode,
  )
  const spans = turns.flatMap(({ isTrained }, i) => (isTrained ? (trained[i] ?? []) : []))
  const sorted = spans.toSorted((a, b) => a.start - b.start)
  // What is trained is most often what was located; then its tokens are known.
  const known = sorted.map((span) =>
    inOrder.findIndex(({ span: { start, end } }) => start === span.start && end === span.end),
  )
  const tokens = known.includes(-1)
    ? tokenSpans(text, ids, sorted, encode)
    : known.map((order) => turnTokens[order])
  for (const { start, end } of tokens) {
    for (let i = start; i < end; i++) labels[i] = ids[i]
  }
  for (const part of parts) for (const i of tokensOfParts(text, ids, part, context)) labels[i] = ids[i]
  labelTurnEnds(
    ids,
    labels,
    inOrder.map(({ isTrained }, order) => ({ ...turnTokens[order], isTrained })),
    context,
  )
  return { ids: Int32Array.from(ids), labels, source }
}

/** The messages without the fields that the template does not use; each is said once. */
function withoutUnused(
  messages: readonly ChatMessage[],
  text: string,
  render: (messages: readonly ChatMessage[]) => string,
  context: TokenizeContext,
): readonly ChatMessage[] {
  const fields = new Set(messages.flatMap((message) => Object.keys(message)))
  fields.delete('role')
  fields.delete('content')
  let kept = messages
  for (const field of fields) {
    const without = kept.map(({ [field]: _dropped, ...message }) => message as ChatMessage)
    if (textIfAny(without, render) !== text) continue
    context.note(`the chat template does not use "${field}" of the messages, so nothing of it is learned`)
    kept = without
  }
  return kept
}

function textIfAny(
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string,
): string | undefined {
  try {
    return render(messages)
  } catch {
    return undefined
  }
}

function checkPlaces(turns: readonly ChatTurn[], places: readonly TurnPlace[], source: RecordSource): void {
  turns.forEach(({ message }, i) => {
    const { spans, isDropped } = places[i]
    if (hasToolCalls(message) && spans.length > 0 && spans.every(isEmpty)) {
      throw recordError(
        source,
        `the chat template leaves out the tool calls of message ${i + 1}, and nothing else is in it`,
        'use a chat_template_jinja that writes tool_calls',
      )
    }
    if (!isDropped || hasToolCalls(message)) return
    throw recordError(
      source,
      `the chat template leaves out message ${i + 1}, whose role is "${message.role}"`,
      'map the role to one that the template knows (roles), or use another chat_template_jinja',
    )
  })
}

function noteChanges(
  message: ChatMessage,
  spans: readonly CharSpan[],
  text: string,
  { note }: TokenizeContext,
): void {
  if (spans.every(isEmpty)) return note('some of the turns to train are empty; nothing is learned from them')
  const written = spans.map(({ start, end }) => text.slice(start, end)).join('')
  const { content, reasoning_content: reasoning = message['thinking'] } = message
  if (typeof content === 'string' && Object.keys(message).length === 2 && written.trim() !== content.trim()) {
    note('the chat template changes the contents of trained turns; what it writes is what is trained')
  }
  if (typeof reasoning === 'string' && !written.includes(reasoning.trim())) {
    note('the chat template leaves out the reasoning of some trained turns; it is not learned there')
  }
}

function isEmpty({ start, end }: CharSpan): boolean {
  return start === end
}

function notFound({ message }: ChatTurn, index: number, source: RecordSource): TrituneError {
  return recordError(
    source,
    `what the chat template writes for message ${index + 1} (${message.role}) cannot be told from the rest of the text: ` +
      'other parts change with it, also when the conversation ends there',
    'take the role out of roles_to_train, or use a chat_template_jinja with {% generation %} around what the model writes',
  )
}

function renderOrThrow(
  tokenizer: TokenizerLike,
  messages: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
  source: RecordSource,
): string {
  try {
    return tokenizer.renderChat(messages, { addGenerationPrompt: false, tools })
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    const remedy = cause instanceof TrituneError ? cause.remedy : undefined
    const reason = remedy === undefined ? message : message.slice(0, message.lastIndexOf('\n  → '))
    // A tokenizer without a template fails here too, and keeps its code.
    throw new TrituneError(
      cause instanceof TrituneError ? cause.code : 'E_DATA',
      `the chat template failed: ${reason}`,
      {
        place: placeOfRecord(source),
        remedy,
        cause,
      },
    )
  }
}
