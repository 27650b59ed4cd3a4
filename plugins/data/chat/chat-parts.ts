/** Turns of which parts are trained: where their fields stand in the text, and which tokens the parts are. */
import type { CharSpan, ChatMessage } from '../../../core/mod.ts'
import { recordError } from '../types/dataset-type.ts'
import type { RecordSource, TokenizeContext } from '../types/dataset-type.ts'
import { locateField, type RenderChat } from './chat-spans.ts'
import type { ChatTurn } from './chat-turns.ts'
import { tokenSpans } from './token-spans.ts'
import { tokenStarts, trainedByDetails, type TrainDetail } from './train-details.ts'

/** A field of a turn as it is written, and which parts of it are trained; `place` names it in errors. */
export interface TrainedParts {
  readonly span: CharSpan
  readonly details: readonly TrainDetail[]
  readonly place: string
  readonly source: RecordSource
}

/** What the parts of a conversation are found with. */
export interface PartsContext {
  readonly messages: readonly ChatMessage[]
  readonly text: string
  readonly render: RenderChat
  readonly context: TokenizeContext
  readonly source: RecordSource
}

/** The fields of turn `index` that have parts, as they are written. E_DATA where the template writes them in other words. */
export function trainedParts(
  { details = {} }: ChatTurn,
  index: number,
  { messages, text, render, context, source }: PartsContext,
): TrainedParts[] {
  return Object.entries(details).flatMap(([field, parts]): TrainedParts[] => {
    const place = `the ${field} of message ${index + 1}`
    const value = messages[index][field]
    // A field that the template does not use is not there any more.
    if (typeof value !== 'string' || value === '') return []
    const span = locateField(messages, text, render, index, field)
    const written = span && text.slice(span.start, span.end)
    if (span && written === '') {
      context.note('the chat template leaves out what some messages say is trained; it is not learned there')
      return []
    }
    const cut = written === undefined ? -1 : value.indexOf(written)
    if (span === undefined || written === undefined || (written !== value && written !== value.trim()))
      throw recordError(
        source,
        `${place} says which of its parts are trained, and the chat template writes it otherwise than it stands there`,
        'use a chat_template_jinja that writes it as it is, or leave the parts out',
      )
    return [{ span, details: parts.map((part) => moved(part, cut)), place, source }]
  })
}

/** The tokens of parts that are trained, by their places among `ids`, which are those of `text`. */
export function tokensOfParts(
  text: string,
  ids: readonly number[],
  { span, details, place, source }: TrainedParts,
  { tokenizer }: Pick<TokenizeContext, 'tokenizer'>,
): readonly number[] {
  const encode = (part: string): number[] => tokenizer.encode(part, { addSpecialTokens: false })
  const [{ start, end }] = tokenSpans(text, ids, [span], encode)
  const own = ids.slice(start, end)
  const decode = (some: readonly number[]): string => tokenizer.decode(some)
  const [written, whole] = [text.slice(span.start, span.end), decode(own)]
  const shift =
    whole.endsWith(written) || written.endsWith(whole)
      ? whole.length - written.length
      : whole.indexOf(written)
  if (shift < 0 && !written.endsWith(whole))
    throw recordError(source, `the tokens of ${place} cannot be told apart, so parts of it cannot be trained`)
  const startOf = tokenStarts(own, decode, whole, shift)
  return trainedByDetails(details, own.length, startOf, written.length).flatMap((is, i) =>
    is ? [start + i] : [],
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** White space before the text, which the template does not write, does not count. */
function moved({ begin, end, isTrained }: TrainDetail, cut: number): TrainDetail {
  return { begin: Math.max(0, begin - cut), end: end - cut, isTrained }
}
