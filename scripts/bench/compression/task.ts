/**
 * What the workers learn: rows of half Moby-Dick and half presidential speeches. A step is 8 rows, the same for every number of workers, so training on
 * all of a step at once is one baseline for all.
 */
import { createRandom } from '../../../core/mod.ts'
import { type Batch, concatenate } from '../../../plugins/data/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { quickstartTexts } from '../../recipes/tiny-llama/prepare.ts'

/** Rows of a step, and tokens of a row. */
export const ROWS = 8
const TOKENS = 128
/** Rows of each text that nobody trains on: half to choose learning rates by, half to report. */
const HELD_OUT = 48

/** `iid`: each worker gets rows of both texts. `domain`: those of even rank get Moby-Dick, the others speeches. */
export type Sharding = 'iid' | 'domain'

/** Rows by step and worker, and those that are held out. */
export interface Task {
  rowsOf(step: number, worker: number, workers: number): Batch
  readonly chosenBy: readonly Batch[]
  readonly reported: readonly Batch[]
}

/** Rows of the two texts; the same on every call. */
export interface Rows {
  readonly train: readonly [Batch[], Batch[]]
  readonly heldOut: readonly [Batch[], Batch[]]
}

/** As the tokenizer of a model reads them, so many tokens in each. */
export function readRows(model: string, tokens: number = TOKENS): Rows {
  const { train, eval: held, pretrain, pretrainEval } = quickstartTexts()
  const tokenizer = loadTokenizer(model)
  const rowsOf = (texts: readonly string[], most: number): Batch[] => {
    const ids: number[] = []
    for (const text of texts) {
      if (ids.length >= most * tokens) break
      ids.push(...tokenizer.encode(text))
    }
    return Array.from({ length: Math.min(most, Math.floor(ids.length / tokens)) }, (_, row) => {
      const own = Int32Array.from(ids.slice(row * tokens, (row + 1) * tokens))
      return concatenate([{ ids: own, labels: own, source: { file: 'quickstart', line: row + 1 } }])
    })
  }
  const novel = rowsOf(train, Infinity)
  return {
    train: [novel, rowsOf(pretrain, novel.length)],
    heldOut: [rowsOf(held, HELD_OUT), rowsOf(pretrainEval, HELD_OUT)],
  }
}

export function createTask({ train, heldOut }: Rows, sharding: Sharding, seed: number): Task {
  const order = sharding === 'iid' ? [train.flat()] : train
  const streams = order.map((rows, i) => endless(rows, seed, `${sharding} ${i}`))
  const share = ROWS / streams.length
  const held = heldOut.flat()
  return {
    rowsOf(step, worker, workers) {
      const stream = streams[worker % streams.length]
      const each = ROWS / workers
      // Alone, a worker has the rows of all.
      if (each > share)
        return joined(
          streams.flatMap((one) => Array.from({ length: share }, (_, i) => one(step * share + i))),
        )
      const first = step * share + Math.floor(worker / streams.length) * each
      return joined(Array.from({ length: each }, (_, i) => stream(first + i)))
    },
    chosenBy: held.filter((_, i) => i % 2 === 0),
    reported: held.filter((_, i) => i % 2 === 1),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Rows by number, in another order each time around. */
function endless(rows: readonly Batch[], seed: number, name: string): (index: number) => Batch {
  const orders: Uint32Array[] = []
  return (index) => {
    const turn = Math.floor(index / rows.length)
    orders[turn] ??= createRandom(seed, `${name}, turn ${turn}`).shuffle(Uint32Array.from(rows.keys()))
    return rows[orders[turn][index % rows.length]]
  }
}

function joined(rows: readonly Batch[]): Batch {
  return concatenate(rows.flatMap(({ examples }) => examples))
}
