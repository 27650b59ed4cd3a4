/**
 * `type: chat_template`: conversations through the chat template of the tokenizer.
 *
 * The conversation is rendered and tokenised once, as `apply_chat_template` does. Trained are the content of the turns
 * of `roles_to_train` and the EOS (or EOT) token that follows a turn, as `train_on_eos` says. Places are found by
 * position (`chat-spans.ts`), never by looking for ids, so a pad token equal to EOS does no harm.
 */
import { TrituneError } from '../../core/errors.ts'
import { locateContents } from './chat-spans.ts'
import type { TextSpan } from './chat-spans.ts'
import { chatTurns } from './chat-turns.ts'
import type { ChatTurn } from './chat-turns.ts'
import type { TrainOnEos } from './dataset-options.ts'
import { IGNORE, placeOfRecord, recordError } from './dataset-type.ts'
import type {
  DataRecord,
  DatasetType,
  RecordSource,
  TokenizeContext,
  TokenizedExample,
} from './dataset-type.ts'
import { tokenSpans } from './token-spans.ts'
import type { ChatMessage, TokenizerLike } from '../../core/contracts/dataset.ts'

export const chatTemplate: DatasetType = {
  name: 'chat_template',
  tokenize: (record, context) => tokenizeChat(record, context, 'messages'),
}

/** How many tokens after the end of a turn its EOS may come, as in axolotl. */
const EOS_REACH = 3

export function tokenizeChat(
  record: DataRecord,
  context: TokenizeContext,
  fieldMessages: string,
): TokenizedExample {
  const { tokenizer, options, trainOnInputs } = context
  const { source } = record
  const turns = chatTurns(record, options, { trainOnInputs, fieldMessages })
  const messages = turns.map(({ message }) => message)
  const render = (some: readonly ChatMessage[], addGenerationPrompt = false): string =>
    renderOrThrow(tokenizer, some, addGenerationPrompt, source)
  const text = render(messages)
  const encode = (part: string): number[] => tokenizer.encode(part, { addSpecialTokens: false })
  const ids = encode(text)
  const labels = new Int32Array(ids.length).fill(IGNORE)

  const spans = locateContents(messages, text, (some) => render(some))
  const located = turns.flatMap((turn, index) => {
    const span = spans[index]
    if (span) return [{ turn, index, span }]
    if (turn.isTrained) throw notRendered(turn, index, source)
    return []
  })
  for (const { turn, index, span } of located) {
    if (!turn.isTrained) continue
    checkPrefix(turn, index, span, messages, text, render, source)
    if (text.slice(span.start, span.end).trim() !== turn.message.content.trim()) {
      context.note(
        'the chat template changes the contents of trained turns; what it writes is what is trained',
      )
    }
  }
  const tokens = tokenSpans(
    text,
    ids,
    located.map(({ span }) => span),
    encode,
  )
  located.forEach(({ turn }, order) => {
    if (!turn.isTrained) return
    for (let i = tokens[order].start; i < tokens[order].end; i++) labels[i] = ids[i]
  })
  labelTurnEnds(
    ids,
    labels,
    located.map(({ turn }, order) => ({ ...tokens[order], isTrained: turn.isTrained })),
    context,
  )
  return { ids: Int32Array.from(ids), labels, source }
}

interface TokenTurn extends TextSpan {
  readonly isTrained: boolean
}

function labelTurnEnds(
  ids: readonly number[],
  labels: Int32Array,
  turns: readonly TokenTurn[],
  context: TokenizeContext,
): void {
  const { tokenizer, options, eotTokens } = context
  const eos = tokenizer.eosId === null ? [] : [tokenizer.eosId]
  const kinds: { ends: readonly number[]; when: TrainOnEos }[] = [{ ends: eos, when: options.train_on_eos }]
  const eot = eotTokens === null ? eos : eotTokens.map((token) => singleToken(tokenizer, token))
  kinds.push({ ends: eot, when: options.train_on_eot ?? options.train_on_eos })
  let isEndTrained = false
  for (const { ends, when } of kinds) {
    let last = -1
    turns.forEach((turn, order) => {
      if (!turn.isTrained && when !== 'all') return
      const limit = Math.min(turn.end + EOS_REACH + 1, turns[order + 1]?.start ?? ids.length, ids.length)
      for (let i = turn.end; i < limit; i++) {
        if (!ends.includes(ids[i])) continue
        last = i
        if (turn.isTrained) isEndTrained = true
        if (when === 'all' || (when === 'turn' && turn.isTrained)) labels[i] = ids[i]
        break
      }
    })
    if (when === 'last' && last >= 0) labels[last] = ids[last]
  }
  if (
    !isEndTrained &&
    turns.some(({ isTrained }) => isTrained) &&
    kinds.some(({ when }) => when !== 'none')
  ) {
    context.note(
      'the chat template does not end the trained turns with the EOS token, so nothing teaches the model to stop; ' +
        'set eot_tokens to the token that ends a turn',
    )
  }
}

/**
 * What the model sees before a trained turn must be what it will see when it is used: the rendering of the turns before,
 * with the generation prompt. Templates that rewrite earlier turns (dropping their reasoning, say) break that.
 */
function checkPrefix(
  turn: ChatTurn,
  index: number,
  span: TextSpan,
  messages: readonly ChatMessage[],
  text: string,
  render: (some: readonly ChatMessage[], addGenerationPrompt: boolean) => string,
  source: RecordSource,
): void {
  if (turn.message.role !== 'assistant' || index === 0) return
  const prompt = render(messages.slice(0, index), true)
  if (text.startsWith(prompt) && prompt.length <= span.start) return
  throw recordError(
    source,
    `the chat template is not prefix-stable: it renders what comes before message ${index + 1} differently once the ` +
      'messages after it are there',
    'train only the last turn of each conversation (message_field_training), or use another chat_template_jinja',
  )
}

function notRendered({ message }: ChatTurn, index: number, source: RecordSource): TrituneError {
  return recordError(
    source,
    `the chat template does not write the content of message ${index + 1} (${message.role}) as it is, so what to train ` +
      'cannot be found',
    'take the role out of roles_to_train, or use another chat_template_jinja',
  )
}

function singleToken(tokenizer: TokenizerLike, token: string): number {
  const ids = tokenizer.encode(token, { addSpecialTokens: false })
  if (ids.length === 1) return ids[0]
  throw new TrituneError('E_CONFIG', `"${token}" is not one token but ${ids.length}`, { place: 'eot_tokens' })
}

function renderOrThrow(
  tokenizer: TokenizerLike,
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
  source: RecordSource,
): string {
  try {
    return tokenizer.renderChat(messages, { addGenerationPrompt })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    // A tokenizer without a template fails here too, and keeps its code.
    throw new TrituneError(
      cause instanceof TrituneError ? cause.code : 'E_DATA',
      `the chat template failed: ${reason}`,
      {
        place: placeOfRecord(source),
        cause,
      },
    )
  }
}
