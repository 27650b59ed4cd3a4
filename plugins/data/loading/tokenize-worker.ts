/**
 * The program of a thread that tokenises (`workers.ts` starts it): opens the tokenizer by its recipe, and answers each block with its
 * examples, packed into arrays that change hands without a copy. Its import runs it; nothing else imports it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type {
  DatasetRecipe,
  ExampleKind,
  TokenizerLike,
  TokenizerRecipe,
} from '../../../core/contracts/dataset.ts'
import { type ErrorCode, TrituneError } from '../../../core/errors.ts'
import type { RecordBlock } from '../files/record-block.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { datasetTypeOf, type DatasetTypes } from '../types/dataset-types.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { type Mask, maskOf, SHORT_ID } from '../types/stored-example.ts'
import { packExtras, type PackedExtras } from './packed-extras.ts'
import { tokenizeBlock } from './tokenize-blocks.ts'

/** What a worker is told when it starts. */
export interface WorkerEntry {
  readonly options: DatasetOptions
  readonly trainOnInputs: boolean
  readonly eotTokens: readonly string[] | null
  readonly recipe: TokenizerRecipe
  /** What its examples have to be; undefined: documents. */
  readonly kind: ExampleKind | undefined
  /** Where its type comes from; undefined: it is built in. */
  readonly types: DatasetRecipe | undefined
}

/** The examples of a block one after the other, or why there are none. */
export type Answer =
  | {
      readonly file: string
      readonly lengths: Int32Array<ArrayBuffer>
      readonly lines: Int32Array<ArrayBuffer>
      readonly ids: Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>
      /** For each example how many spans are trained, then their starts and ends; null: as the labels say. */
      readonly spans: Int32Array<ArrayBuffer> | null
      readonly labels: Int32Array<ArrayBuffer> | null
      /** null: the examples are no more than tokens and labels. */
      readonly extras: PackedExtras | null
      readonly notes: readonly string[]
    }
  | {
      readonly error: {
        /** undefined: an error that is no `TrituneError`. */
        readonly code: ErrorCode | undefined
        readonly what: string
        readonly place: string | undefined
        readonly remedy: string | undefined
      }
    }

if (parentPort !== null) serve(parentPort, workerData)

// ---- helpers ----------------------------------------------------------------------------------------------------

function serve(port: NonNullable<typeof parentPort>, entry: WorkerEntry): void {
  const opened = Promise.all([openTokenizer(entry.recipe), openTypes(entry.types)])
  let turn: Promise<void> = Promise.resolve()
  port.on('message', (block: RecordBlock) => {
    turn = turn.then(async () => {
      const answer = await answerTo(block, entry, opened)
      port.postMessage(answer, 'ids' in answer ? buffersOf(answer) : [])
    })
  })
}

async function openTokenizer({ module, name, args }: TokenizerRecipe): Promise<TokenizerLike> {
  const made: Record<string, (...given: readonly unknown[]) => TokenizerLike> = await import(module)
  return made[name](...args)
}

async function openTypes(recipe: DatasetRecipe | undefined): Promise<DatasetTypes> {
  if (recipe === undefined) return {}
  const exported: Record<string, DatasetTypes> = await import(recipe.module)
  return exported[recipe.name]
}

async function answerTo(
  block: RecordBlock,
  { options, trainOnInputs, eotTokens, kind }: WorkerEntry,
  opened: Promise<readonly [TokenizerLike, DatasetTypes]>,
): Promise<Answer> {
  try {
    const notes = new Set<string>()
    const note = (text: string): void => void notes.add(text)
    const [tokenizer, types] = await opened
    const entry = {
      options,
      type: datasetTypeOf(options, types, kind),
      kind,
      tokenizer,
      trainOnInputs,
      eotTokens,
      note,
    }
    const examples: TokenizedExample[] = []
    for await (const some of tokenizeBlock(block, entry)) examples.push(...some)
    return { ...packed(block.file, examples), notes: [...notes] }
  } catch (error) {
    const isOurs = error instanceof TrituneError
    return {
      error: {
        code: isOurs ? error.code : undefined,
        what: isOurs ? error.what : error instanceof Error ? (error.stack ?? error.message) : String(error),
        place: isOurs ? error.place : undefined,
        remedy: isOurs ? error.remedy : undefined,
      },
    }
  }
}

type Packed = Omit<Extract<Answer, { ids: object }>, 'notes'>

function packed(file: string, examples: readonly TokenizedExample[]): Packed {
  const lengths = Int32Array.from(examples, ({ ids }) => ids.length)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const isShort = examples.every(({ ids }) => ids.every((id) => id <= SHORT_ID))
  const ids = isShort ? new Uint16Array(total) : new Int32Array(total)
  let at = 0
  for (const example of examples) {
    ids.set(example.ids, at)
    at += example.ids.length
  }
  const masks = examples.map(maskOf)
  const spans = masks.every((mask) => !(mask instanceof Int32Array))
    ? Int32Array.from(masks.flatMap((mask, i) => spansAsNumbers(mask, lengths[i])))
    : null
  const labels = spans ? null : Int32Array.from(examples.flatMap((example) => [...example.labels]))
  const lines = Int32Array.from(examples, ({ source }) => source.line)
  return { file, lengths, lines, ids, spans, labels, extras: packExtras(examples) }
}

function spansAsNumbers(mask: Mask, length: number): number[] {
  if (mask instanceof Int32Array) return []
  if (typeof mask === 'number') return [1, mask, length]
  return [mask.length, ...mask.flat()]
}

function buffersOf({ lengths, lines, ids, spans, labels, extras }: Packed): ArrayBuffer[] {
  const more = extras ? [extras.documents, extras.untrained, extras.values] : []
  const arrays = [lengths, lines, ids, ...(spans ? [spans] : []), ...(labels ? [labels] : []), ...more]
  return arrays.map(({ buffer }) => buffer)
}
