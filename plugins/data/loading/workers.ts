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
import type { TokenizedExample } from '../types/dataset-type.ts'
import type { EntryTokenizer } from './tokenize-blocks.ts'
import type { Answer, WorkerEntry } from './tokenize-worker.ts'

/** Formats whose blocks are small enough to be held whole, and fewest of them that are worth a worker. */
const CUT: readonly FileFormat[] = ['json', 'parquet']
const WORTH_IT = 4

/**
 * The examples of each block, in order; null where they are better made here: few blocks, a type of a plugin, or a tokenizer that no
 * worker can open. `processes`: null: one for each processor.
 */
export function tokenizeInWorkers(
  blocks: readonly RecordBlock[],
  entry: EntryTokenizer,
  processes: number | null,
): AsyncGenerator<Iterable<TokenizedExample>> | null {
  const { recipe } = entry.tokenizer
  const isCut = blocks.length > 1 && blocks.every(({ format }) => CUT.includes(format))
  if (!isCut || !entry.type.isBuiltIn || recipe === undefined) return null
  const count = Math.min(processes ?? availableParallelism(), blocks.length)
  if (processes === null && (blocks.length < WORTH_IT || count < 2)) return null
  return count < 1 ? null : inOrder(blocks, entry, recipe, count)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function* inOrder(
  blocks: readonly RecordBlock[],
  { options, trainOnInputs, eotTokens, note }: EntryTokenizer,
  recipe: TokenizerRecipe,
  count: number,
): AsyncGenerator<Iterable<TokenizedExample>> {
  const workerData: WorkerEntry = { options, trainOnInputs, eotTokens, recipe }
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

/** One after the other: the views of an example are gone when the next one is asked for. */
function* unpacked({
  file,
  lengths,
  lines,
  ids,
  labels,
}: Extract<Answer, { ids: Int32Array }>): Generator<TokenizedExample> {
  let start = 0
  for (const [i, length] of lengths.entries()) {
    const end = start + length
    yield {
      ids: ids.subarray(start, end),
      labels: labels.subarray(start, end),
      source: { file, line: lines[i] },
    }
    start = end
  }
}

function revived({ code, what, place, remedy }: Extract<Answer, { error: object }>['error']): Error {
  return code === undefined ? new Error(what) : new TrituneError(code, what, { place, remedy })
}
