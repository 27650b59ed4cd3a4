/**
 * One entry of a stream: its examples one after the other, from any place on, pass after pass without an end.
 */
import { statSync } from 'node:fs'
import type { JsonValue } from '../../../core/contracts/stateful.ts'
import { jsonField } from '../../../core/contracts/stateful.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { datasetFiles } from '../files/dataset-files.ts'
import { recordBlocks } from '../files/read-records.ts'
import type { RecordBlock } from '../files/record-block.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { atKey } from '../types/dataset-types.ts'
import { type EntryToLoad, entryTokenizer, noRecords } from './load-entry.ts'
import { type EntryTokenizer, tokenizeBlock } from './tokenize-blocks.ts'

/** An entry that is streamed. */
export type StreamEntry = Pick<
  EntryToLoad,
  'path' | 'options' | 'type' | 'kind' | 'config' | 'tokenizer' | 'note'
>

/** Where a source stands: at a record of a block of a pass, all from 0; the block is counted in the order of the pass. */
export interface Cursor {
  readonly pass: number
  readonly block: number
  readonly record: number
}

export interface Source extends Disposable {
  /** Of the record that comes next. */
  readonly cursor: Cursor
  moveTo(cursor: Cursor): void
  /** Throws a `ConfigError` when the entry has no records; E_DATA with `file:line`. */
  next(): Promise<TokenizedExample>
  /** Bytes of its files: other ones are other data. */
  readonly sizes: readonly number[]
  /** Records of the last whole pass, or read so far in the first. */
  records(): number
}

/** A cursor as JSON. */
export function readCursor(saved: JsonValue): Cursor {
  const number = (key: keyof Cursor): number => Number(jsonField(saved, key))
  return { pass: number('pass'), block: number('block'), record: number('record') }
}

/** Finds the blocks of the files; reads none of them. */
export async function createSource(
  entry: StreamEntry,
  { seed, stream, shuffle }: { readonly seed: number; readonly stream: string; readonly shuffle: boolean },
): Promise<Source> {
  const { path, options, config } = entry
  const filesKey = options.data_files.length > 0 ? 'data_files' : 'path'
  const files = atKey([...path, filesKey], () => datasetFiles(options))
  const blocks: RecordBlock[] = []
  for (const file of files) blocks.push(...(await recordBlocks(file, options)))
  const tokenizing: EntryTokenizer = {
    options,
    type: entry.type,
    kind: entry.kind,
    tokenizer: entryTokenizer(entry),
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    note: entry.note,
  }
  let order = orderOf(0)
  let cursor: Cursor = { pass: 0, block: 0, record: 0 }
  let reading: AsyncGenerator<readonly TokenizedExample[]> | null = null
  let batch: readonly TokenizedExample[] = []
  let used = 0
  let counted = 0
  let whole = Number.POSITIVE_INFINITY

  function orderOf(pass: number): number[] {
    const all = Array.from(blocks.keys())
    return shuffle ? createRandom(seed, `blocks of ${stream}, pass ${pass}`).shuffle(all) : all
  }

  function close(): void {
    void reading?.return(undefined)
    reading = null
    batch = []
    used = 0
  }

  /** The next block, or the first of the next pass. */
  function turnBlock(): void {
    const { pass, block } = cursor
    if (block + 1 < blocks.length) cursor = { pass, block: block + 1, record: 0 }
    else {
      if (counted === 0) throw noRecords([...path, filesKey], files)
      whole = counted
      counted = 0
      cursor = { pass: pass + 1, block: 0, record: 0 }
      order = orderOf(cursor.pass)
    }
  }

  return {
    get cursor() {
      return cursor
    },
    moveTo(wanted) {
      close()
      cursor = wanted
      order = orderOf(wanted.pass)
      // What was read of this pass before is not known: it counts as one record, so that the pass is not taken for empty.
      counted = 1
    },
    sizes: files.map((file) => statSync(file).size),
    records: () => whole,
    async next() {
      if (blocks.length === 0) throw noRecords([...path, filesKey], files)
      while (used >= batch.length) {
        const fresh = reading === null
        reading ??= tokenizeBlock(blocks[order[cursor.block]], tokenizing)
        // A block that was left in the middle is read from its start.
        let skip = fresh ? cursor.record : 0
        let step = await reading.next()
        while (step.done !== true && step.value.length <= skip) {
          skip -= step.value.length
          step = await reading.next()
        }
        if (step.done === true) {
          close()
          turnBlock()
          continue
        }
        batch = step.value
        used = skip
      }
      const example = batch[used++]
      counted++
      cursor = { ...cursor, record: cursor.record + 1 }
      return example
    },
    [Symbol.dispose]: close,
  }
}
