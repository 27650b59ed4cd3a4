/**
 * Tokenising in worker threads: each makes examples of one block after another, and they come back in the order of the blocks, so that
 * what comes out is the same for any number of workers. A worker opens the tokenizer itself, by its recipe.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { TokenizerRecipe } from '../../../core/contracts/dataset.ts'
import { TrituneError } from '../../../core/errors.ts'
import type { FileFormat } from '../options/dataset-words.ts'
import type { RecordBlock } from '../files/record-block.ts'
import { areaOf, type Mask, StoredExample } from '../types/stored-example.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { isKeepable } from '../types/dataset-types.ts'
import { withExtras } from './packed-extras.ts'
import type { EntryTokenizer } from './tokenize-blocks.ts'
import type { Answer, WorkerEntry } from './tokenize-worker.ts'

/** Formats whose blocks are small enough to be held whole, and fewest of them that are worth a worker. */
const CUT: readonly FileFormat[] = ['json', 'parquet']
const WORTH_IT = 4

/**
 * The examples of each block, in order; null where they are better made here: few blocks, or a type or a tokenizer that no worker can
 * open. `processes`: null: one for each processor.
 */
export function tokenizeInWorkers(
  blocks: readonly RecordBlock[],
  entry: EntryTokenizer,
  processes: number | null,
): AsyncGenerator<readonly TokenizedExample[]> | null {
  const { recipe } = entry.tokenizer
  const isCut = blocks.length > 1 && blocks.every(({ format }) => CUT.includes(format))
  if (!isCut || !isKeepable(entry.type) || recipe === undefined) return null
  const count = Math.min(processes ?? availableParallelism(), blocks.length)
  if (processes === null && (blocks.length < WORTH_IT || count < 2)) return null
  return count < 1 ? null : inOrder(blocks, entry, recipe, count)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function* inOrder(
  blocks: readonly RecordBlock[],
  { options, trainOnInputs, eotTokens, kind, type, note }: EntryTokenizer,
  recipe: TokenizerRecipe,
  count: number,
): AsyncGenerator<readonly TokenizedExample[]> {
  const types = type.isBuiltIn ? undefined : type.type.recipe
  const workerData: WorkerEntry = { options, trainOnInputs, eotTokens, recipe, kind, types }
  const workers = Array.from({ length: count }, () => startWorker(workerData))
  const running: Promise<Answer>[] = []
  let next = 0
  try {
    while (next < blocks.length || running.length > 0) {
      // One block waits at each worker, so that none stands still while the first answer is awaited.
      while (next < blocks.length && running.length < 2 * count) {
        const answer = workers[next % count].ask(blocks[next++])
        answer.catch(() => {})
        running.push(answer)
      }
      const answer = await running.shift()
      if (answer === undefined) return
      if ('error' in answer) throw revived(answer.error)
      answer.notes.forEach(note)
      yield unpacked(answer)
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.end()))
  }
}

interface TokenizeWorker {
  ask(block: RecordBlock): Promise<Answer>
  end(): Promise<void>
}

function startWorker(workerData: WorkerEntry): TokenizeWorker {
  const own = import.meta.url
  const worker = new Worker(new URL(`./tokenize-worker${own.slice(own.lastIndexOf('.'))}`, own), {
    workerData,
  })
  /** Answers come in the order of the questions. */
  const waiting: { resolve(answer: Answer): void; reject(error: unknown): void }[] = []
  const fail = (error: unknown): void => {
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  worker.on('message', (answer: Answer) => waiting.shift()?.resolve(answer))
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('a thread that tokenises ended on its own')))
  return {
    ask(block) {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        worker.postMessage(block, [])
      })
    },
    async end() {
      await worker.terminate()
    },
  }
}

/** Examples over the array that came: their tokens are not copied. */
function unpacked({
  file,
  lengths,
  lines,
  ids,
  spans,
  labels,
  extras,
}: Extract<Answer, { ids: object }>): readonly TokenizedExample[] {
  const area = areaOf(ids)
  let start = 0
  let at = 0
  const maskAt = (length: number): Mask => {
    if (spans === null) return (labels ?? new Int32Array(0)).slice(start, start + length)
    const count = spans[at]
    const found = Array.from({ length: count }, (_, i): [number, number] => [
      spans[at + 1 + 2 * i],
      spans[at + 2 + 2 * i],
    ])
    at += 1 + 2 * count
    return count === 1 && found[0][1] === length ? found[0][0] : found
  }
  const examples = Array.from(lengths, (length, i) => {
    const example = new StoredExample(area, start, length, maskAt(length), { file, line: lines[i] })
    start += length
    return example
  })
  return withExtras(examples, extras)
}

function revived({ code, what, place, remedy }: Extract<Answer, { error: object }>['error']): Error {
  return code === undefined ? new Error(what) : new TrituneError(code, what, { place, remedy })
}
