/**
 * A prompt and one or two answers → examples, as trl tokenises them: prompt and answer as one text, of which the answer begins where the
 * tokens are no longer those of the prompt alone. Records that are wrong are E_DATA with their line; what has nothing to learn says why.
 */
import {
  type DataRecord,
  type DatasetContext,
  showValue,
  type TokenizedExample,
  type TokenizerLike,
  TrituneError,
} from '../../../core/mod.ts'
import { encodeOpening, type ExampleDocument, IGNORE, joinDocuments, withEos } from '../../data/mod.ts'

/** What a record of preferences says, as texts. */
export interface AnswerTexts {
  readonly prompt: string
  /** The prompt with each answer. */
  readonly wholes: readonly string[]
  /** Made by the chat template, which writes every special token itself; else BOS and EOS are added. */
  readonly isRendered: boolean
}

/** E_DATA at the line of the record. */
export function recordError(
  { source }: Pick<DataRecord, 'source'>,
  what: string,
  remedy?: string,
): TrituneError {
  return new TrituneError('E_DATA', what, { place: `${source.file}:${source.line}`, remedy })
}

/** A better and a worse answer. `values.margin` where the record has one. */
export function pairExample(
  record: DataRecord,
  prompt: string,
  { chosen, rejected }: { readonly chosen: string; readonly rejected: string },
  context: DatasetContext,
  { isRendered = false }: { readonly isRendered?: boolean } = {},
): TokenizedExample {
  const wholes = isRendered ? [chosen, rejected] : [prompt + chosen, prompt + rejected]
  const documents = tokenizeAnswers(record, { prompt, wholes, isRendered }, context)
  return joinDocuments(documents, record.source, {
    ...marginOf(record),
    untrained: untrainedReason(documents, isRendered ? [] : [chosen, rejected]),
  })
}

/** An answer that is good or bad. */
export function labelledExample(
  record: DataRecord,
  prompt: string,
  { completion, label }: { readonly completion: string; readonly label: unknown },
  context: DatasetContext,
  { isRendered = false }: { readonly isRendered?: boolean } = {},
): TokenizedExample {
  const wholes = [isRendered ? completion : prompt + completion]
  const [document] = tokenizeAnswers(record, { prompt, wholes, isRendered }, context)
  return {
    ...document,
    source: record.source,
    values: { label: labelOf(record, label) },
    untrained: untrainedReason([document], isRendered ? [] : [completion]),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function tokenizeAnswers(
  record: DataRecord,
  { prompt, wholes, isRendered }: AnswerTexts,
  { tokenizer, note }: DatasetContext,
): ExampleDocument[] {
  if (prompt === '')
    throw recordError(record, 'the prompt is empty', 'give what is answered, or leave the record out')
  const encode = (text: string): number[] =>
    isRendered ? tokenizer.encode(text, { addSpecialTokens: false }) : withoutSecondBos(tokenizer, text)
  const promptIds = encode(prompt)
  const all = wholes.map((whole) => (isRendered ? encode(whole) : withEos(tokenizer, encode(whole))))
  const shared = all.reduce((least, ids) => Math.min(least, commonLength(promptIds, ids)), promptIds.length)
  if (shared < promptIds.length)
    note(
      'the end of a prompt is not tokenised as it is before an answer, so the answer begins before it: end prompts where a token ends',
    )
  return all.map((found) => {
    const ids = Int32Array.from(found)
    return { ids, labels: ids.slice().fill(IGNORE, 0, shared) }
  })
}

/** BOS where the tokenizer adds one, but once: templates can have written it. */
function withoutSecondBos(tokenizer: TokenizerLike, text: string): number[] {
  const ids = encodeOpening(tokenizer, text)
  const { bosId } = tokenizer
  return bosId !== null && ids[0] === bosId && ids[1] === bosId ? ids.slice(1) : ids
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const different = a.findIndex((id, i) => id !== b[i])
  return different < 0 ? a.length : different
}

function untrainedReason(
  documents: readonly ExampleDocument[],
  answers: readonly string[],
): string | undefined {
  if (answers.includes('')) return 'an answer is empty'
  if (documents.length < 2) return undefined
  const [better, worse] = documents
  const isSame = better.ids.length === worse.ids.length && better.ids.every((id, i) => id === worse.ids[i])
  return isSame ? 'both answers are the same' : undefined
}

/** By how much a reward model tells the answers apart; null is none, as a column of a file has it where others have one. */
function marginOf(record: DataRecord): Pick<TokenizedExample, 'values'> {
  const { margin } = record.value
  if (margin === undefined || margin === null) return {}
  if (typeof margin === 'number' && Number.isFinite(margin)) return { values: { margin } }
  throw recordError(
    record,
    `expected "margin" to be a number, got ${showValue(margin)}`,
    'write by how much the better answer is better, or leave it out',
  )
}

function labelOf(record: DataRecord, label: unknown): number {
  if (label === true || label === 1) return 1
  if (label === false || label === 0) return 0
  throw recordError(
    record,
    label === undefined
      ? 'there is no label: true for a good answer, false for a bad one'
      : `expected the label to be true or false, got ${JSON.stringify(label)}`,
  )
}
