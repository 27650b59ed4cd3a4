/**
 * The batches of one epoch: which examples meet in which micro-batch, and the flat arrays that the model takes.
 *
 * There is no padding: a batch is the tokens of its documents one after the other, and `offsets` tells attention where
 * documents begin, packed or not. The order depends on (seed, epoch) only, and any batch can be built on its own, so a
 * run resumes in the middle of an epoch.
 *
 * Every example is seen once per epoch. When the rows do not fill the last step, they are spread evenly: 9 rows in steps
 * of at most 4 are 3 + 3 + 3 and not 4 + 4 + 1, since the loss is averaged over the step and a row that has a step for
 * itself would count as much as four others. (`dropLast` leaves the rest out instead.)
 */
import { createRandom } from '../../../core/tensor/random.ts'
import { IGNORE } from '../types/dataset-type.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { groupByLength } from './group-by-length.ts'
import { documentsOf } from './documents.ts'
import { packDocuments, packInOrder } from './pack-documents.ts'
import { lengthOf } from '../types/stored-example.ts'
import { trainedTokens } from './trained-tokens.ts'

/**
 * One micro-batch: documents one after the other, without padding. `createBatch()` of tritune/plugins/models makes
 * tensors of it.
 */
export interface Batch {
  /** (tokens) of all documents, one after the other. */
  readonly ids: Int32Array
  /** (tokens); starts again at 0 with each document. */
  readonly positions: Int32Array
  /** (tokens); `targets[i]` is the label of the next token of the same document, `IGNORE` where there is none. */
  readonly targets: Int32Array
  /** (documents + 1) first tokens of the documents, and the end. */
  readonly offsets: Int32Array
  readonly trainedTokens: number
  /** Rows of `sequence_len` when packed, else examples. */
  readonly rows: number
  /** What it was made of, in the order of the tokens. */
  readonly examples: readonly TokenizedExample[]
}

/** One optimizer step: the micro-batches `[start, end)`. */
export interface Window {
  readonly start: number
  readonly end: number
  /** What the loss of the step is averaged over. */
  readonly trainedTokens: number
  /** Rows of its micro-batches together. */
  readonly rows: number
}

/** The micro-batches of one epoch, and which of them make a step. */
export interface Batches {
  readonly length: number
  readonly windows: readonly Window[]
  /** Rows that `dropLast` left out. */
  readonly leftOut: number
  /** Micro-batch `index`, built when asked for. */
  get(index: number): Batch
}

/** What `createBatches()` makes batches of, and how. */
export interface BatchesOptions {
  readonly examples: readonly TokenizedExample[]
  /** Rows of a micro-batch. */
  readonly microBatchSize: number
  /** Tokens of a packed row for each document of an example; no document may be longer. */
  readonly sequenceLength: number
  readonly packing: boolean
  readonly seed: number
  /** From 0. */
  readonly epoch?: number
  readonly gradientAccumulationSteps?: number
  /** false keeps the examples in order, as evaluation wants it. */
  readonly shuffle?: boolean
  /** Examples of like length meet in a window; without packing only. */
  readonly groupByLength?: boolean
  /** Packed rows are filled one after the other in the order of the examples; they are mixed only where those are. */
  readonly inOrder?: boolean
  /** Leaves out the rows that do not fill a window: other ones in each epoch. */
  readonly dropLast?: boolean
  /** A permutation of the examples instead of the shuffle. Packed rows keep to it no further than packing lets them. */
  readonly order?: Int32Array
}

/**
 * The batches of one epoch, decided by (seed, epoch) alone: which examples meet in which micro-batch, and which of
 * those make a step.
 *
 * @example
 * ```ts
 * import { createBatches } from 'tritune/plugins/data'
 *
 * const source = { file: 'here', line: 1 }
 * const ids = Int32Array.of(1, 5, 9, 2)
 * const examples = [{ ids, labels: ids, source }, { ids, labels: ids, source }]
 * const batches = createBatches({ examples, microBatchSize: 1, sequenceLength: 8, packing: true, seed: 0 })
 * console.log(batches.length, batches.get(0).ids.length) // → 1 8
 * ```
 */
export function createBatches({
  examples,
  microBatchSize,
  sequenceLength,
  packing,
  seed,
  epoch = 0,
  gradientAccumulationSteps = 1,
  order: given,
  shuffle = given === undefined,
  groupByLength: byLength = false,
  dropLast = false,
  inOrder = false,
}: BatchesOptions): Batches {
  const random = createRandom(seed, `batches of epoch ${epoch}`)
  const order = Uint32Array.from(given ?? examples.keys())
  if (shuffle) random.shuffle(order)
  const windowRows = microBatchSize * gradientAccumulationSteps
  const lengths = (): number[] => examples.map(lengthOf)
  const sorted = byLength && !packing ? groupByLength(order, lengths(), windowRows) : order
  const rows = packing
    ? packRows(examples, order, sequenceLength, inOrder ? packInOrder : packDocuments)
    : Array.from(sorted, (index) => [index])
  // Packing sorts by length; the rows have to be mixed again.
  if (packing && shuffle) random.shuffle(rows)
  const kept = dropLast ? rows.slice(0, rows.length - (rows.length % windowRows)) : rows
  const micro: MicroBatch[] = []
  const windows = spread(kept, windowRows).map((group): Window => {
    const start = micro.length
    micro.push(
      ...spread(group, microBatchSize).map((part) => ({ rows: part.length, documents: part.flat() })),
    )
    const trained = sum(group.flat().map((index) => trainedTokens(examples[index])))
    return { start, end: micro.length, trainedTokens: trained, rows: group.length }
  })
  return {
    length: micro.length,
    windows,
    leftOut: rows.length - kept.length,
    get(index: number): Batch {
      const batch = micro[index]
      if (batch === undefined) throw new RangeError(`batch ${index} of ${micro.length}`)
      return concatenate(
        batch.documents.map((document) => examples[document]),
        batch.rows,
      )
    },
  }
}

/**
 * The flat arrays of some examples, for whoever does not come from `createBatches()`.
 *
 * @example
 * ```ts
 * import { concatenate } from 'tritune/plugins/data'
 *
 * const ids = Int32Array.of(1, 5, 9)
 * const batch = concatenate([{ ids, labels: Int32Array.of(-100, 5, 9), source: { file: 'here', line: 1 } }])
 * console.log([...batch.targets], batch.trainedTokens) // → [ 5, 9, -100 ] 2
 * ```
 */
export function concatenate(examples: readonly TokenizedExample[], rows: number = examples.length): Batch {
  const documents = examples.flatMap(documentsOf)
  const offsets = new Int32Array(documents.length + 1)
  documents.forEach(({ ids }, i) => (offsets[i + 1] = offsets[i] + ids.length))
  const total = offsets[documents.length]
  const ids = new Int32Array(total)
  const positions = new Int32Array(total)
  const targets = new Int32Array(total)
  let trained = 0
  documents.forEach((document, i) => {
    const start = offsets[i]
    const tokens = document.ids
    const { length } = tokens
    ids.set(tokens, start)
    for (let j = 0; j < length; j++) positions[start + j] = j
    if (length > 0) {
      targets.set(document.labels.subarray(1), start)
      targets[start + length - 1] = IGNORE
    }
    trained += trainedTokens(document)
  })
  return { ids, positions, targets, offsets, trainedTokens: trained, rows, examples }
}

function packRows(
  examples: readonly TokenizedExample[],
  order: Uint32Array,
  capacity: number,
  pack: typeof packDocuments,
): number[][] {
  const lengths = Array.from(order, (index) => lengthOf(examples[index]))
  // A pair stays together, and each of its documents may be as long as a row of single ones.
  const most = examples.reduce((most, { documents }) => Math.max(most, (documents?.length ?? 2) - 1), 1)
  return pack(lengths, most * capacity).map((row) => row.map((position) => order[position]))
}

interface MicroBatch {
  readonly rows: number
  readonly documents: readonly number[]
}

/** As few groups of at most `most` as there can be, in order, whose sizes differ by one at most. */
function spread<T>(items: readonly T[], most: number): T[][] {
  const count = Math.ceil(items.length / most)
  return Array.from({ length: count }, (_, i) =>
    items.slice(Math.ceil((i * items.length) / count), Math.ceil(((i + 1) * items.length) / count)),
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
