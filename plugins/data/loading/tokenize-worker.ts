/**
 * The program of a thread that tokenises (`workers.ts` starts it): opens the tokenizer by its recipe, and answers each block with its
 * examples, packed into arrays that change hands without a copy. Its import runs it; nothing else imports it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { TokenizerLike, TokenizerRecipe } from '../../../core/contracts/dataset.ts'
import { type ErrorCode, TrituneError } from '../../../core/errors.ts'
import type { RecordBlock } from '../files/record-block.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { datasetTypeOf } from '../types/dataset-types.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { tokenizeBlock } from './tokenize-blocks.ts'

/** What a worker is told when it starts. */
export interface WorkerEntry {
  readonly options: DatasetOptions
  readonly trainOnInputs: boolean
  readonly eotTokens: readonly string[] | null
  readonly recipe: TokenizerRecipe
}

/** The examples of a block one after the other, or why there are none. */
export type Answer =
  | {
      readonly file: string
      readonly lengths: Int32Array
      readonly lines: Int32Array
      readonly ids: Int32Array
      readonly labels: Int32Array
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
  const opened = openTokenizer(entry.recipe)
  let turn: Promise<void> = Promise.resolve()
  port.on('message', (block: RecordBlock) => {
    turn = turn.then(async () => {
      const answer = await answerTo(block, entry, opened)
      const arrays = 'ids' in answer ? [answer.lengths, answer.lines, answer.ids, answer.labels] : []
      port.postMessage(
        answer,
        arrays.map(({ buffer }) => buffer as ArrayBuffer),
      )
    })
  })
}

async function openTokenizer({ module, name, args }: TokenizerRecipe): Promise<TokenizerLike> {
  const made: Record<string, (...given: readonly unknown[]) => TokenizerLike> = await import(module)
  return made[name](...args)
}

async function answerTo(
  block: RecordBlock,
  { options, trainOnInputs, eotTokens }: WorkerEntry,
  opened: Promise<TokenizerLike>,
): Promise<Answer> {
  try {
    const notes = new Set<string>()
    const note = (text: string): void => void notes.add(text)
    const tokenizer = await opened
    const entry = { options, type: datasetTypeOf(options), tokenizer, trainOnInputs, eotTokens, note }
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

function packed(
  file: string,
  examples: readonly TokenizedExample[],
): Omit<Extract<Answer, { ids: Int32Array }>, 'notes'> {
  const lengths = Int32Array.from(examples, ({ ids }) => ids.length)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const [ids, labels] = [new Int32Array(total), new Int32Array(total)]
  let at = 0
  for (const example of examples) {
    ids.set(example.ids, at)
    labels.set(example.labels, at)
    at += example.ids.length
  }
  return { file, lengths, lines: Int32Array.from(examples, ({ source }) => source.line), ids, labels }
}
