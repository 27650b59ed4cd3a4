/**
 * What happens to examples that are too long or too short for the run.
 *
 * Too long: dropped, cut at the end or refused (`excess_length_strategy`); texts of `completion` are cut into pieces
 * instead. Examples without a token to learn, however short, are taken out and listed. Too short (`min_sample_len`): dropped.
 */
import { placeOfRecord, recordError } from '../types/dataset-type.ts'
import type { RecordSource, TokenizedExample } from '../types/dataset-type.ts'
import { lengthOf, sliceOf } from '../types/stored-example.ts'
import { documentsOf, joinDocuments } from '../packing/documents.ts'
import { trainedTokens } from '../packing/trained-tokens.ts'

export interface LengthPolicy {
  readonly sequenceLen: number
  readonly strategy: 'drop' | 'truncate' | 'raise'
  readonly minSampleLen: number
  /** Cut long examples into pieces of `sequenceLen`, whatever the strategy. */
  readonly splitsLongText: boolean
  /** Why an example can have nothing to learn. */
  readonly untrainedReason: string
}

/** An example that had nothing to learn. */
export interface UntrainedExample extends RecordSource {
  readonly reason: string
}

export interface LengthResult {
  readonly examples: TokenizedExample[]
  readonly tooLong: number
  readonly tooShort: number
  readonly truncated: number
  /** Long texts that became several examples. */
  readonly cut: number
  /** The examples that had nothing to learn. */
  readonly untrained: UntrainedExample[]
}

/** Throws E_DATA for the first long example when the strategy is `raise`. */
export function applyLengthPolicy(
  examples: readonly TokenizedExample[],
  { sequenceLen, strategy, minSampleLen, splitsLongText, untrainedReason }: LengthPolicy,
): LengthResult {
  const kept: TokenizedExample[] = []
  const untrained: UntrainedExample[] = []
  let tooLong = 0
  let tooShort = 0
  let truncated = 0
  let cut = 0
  const keep = (example: TokenizedExample, reason = untrainedReason): void => {
    if (example.untrained !== undefined) untrained.push({ ...example.source, reason: example.untrained })
    else if (isUntrained(example)) untrained.push({ ...example.source, reason })
    else if (lengthOf(example) < minSampleLen) tooShort++
    else kept.push(example)
  }
  // The rest of a long text is too short rather than a record that was not understood.
  const keepPiece = (piece: TokenizedExample): void => {
    if (lengthOf(piece) < minSampleLen) tooShort++
    else keep(piece, BEYOND)
  }
  for (const example of examples) {
    const length = longestOf(example)
    if (length <= sequenceLen) keep(example)
    else if (splitsLongText) {
      cut++
      for (let start = 0; start < length; start += sequenceLen)
        keepPiece(partOf(example, start, start + sequenceLen))
    } else if (strategy === 'truncate') {
      truncated++
      keep(partOf(example, 0, sequenceLen), trainedTokens(example) > 0 ? BEYOND : untrainedReason)
    } else if (strategy === 'drop') tooLong++
    else {
      throw recordError(
        example.source,
        `the example has ${length} tokens, more than sequence_len (${sequenceLen})`,
        'raise sequence_len, or set excess_length_strategy to drop or truncate',
      )
    }
  }
  return { examples: kept, tooLong, tooShort, truncated, cut, untrained }
}

const BEYOND = 'what is trained lies beyond sequence_len'

/** `train.jsonl:3, train.jsonl:9 and 4 more` */
export function listSources(sources: readonly RecordSource[], limit = 5): string {
  const shown = sources.slice(0, limit).map(placeOfRecord).join(', ')
  return sources.length > limit ? `${shown} and ${sources.length - limit} more` : shown
}

/** Whether a document of it teaches nothing. */
function isUntrained(example: TokenizedExample): boolean {
  if (!example.documents) return trainedTokens(example) === 0
  return documentsOf(example).some((one) => trainedTokens(one) === 0)
}

/** Of the longest of its documents: each is a sequence of its own. */
function longestOf(example: TokenizedExample): number {
  const { documents } = example
  if (!documents) return lengthOf(example)
  return documents.reduce((longest, end, i) => (i === 0 ? 0 : Math.max(longest, end - documents[i - 1])), 0)
}

/** Each document cut to the part. */
function partOf(example: TokenizedExample, start: number, end: number): TokenizedExample {
  if (!example.documents) return sliceOf(example, start, end)
  const { ids: _ids, labels: _labels, documents: _documents, ...rest } = example
  return joinDocuments(
    documentsOf(example).map((one) => ({
      ids: one.ids.subarray(start, end),
      labels: one.labels.subarray(start, end),
    })),
    rest.source,
    rest,
  )
}
