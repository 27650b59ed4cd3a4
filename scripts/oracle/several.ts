/**
 * Several adapters on one model beside PEFT, which makes and computes everything anew: rows of a batch, generation, merging in memory, and every way to
 * combine adapters. PEFT then loads what was combined here.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { activateAdapters, type Device, mergeAdapters, unmergeAdapters } from '../../core/mod.ts'
import { generateBatch } from '../../plugins/generate/mod.ts'
import { saveAdapter } from '../../plugins/peft/mod.ts'
import { logitsOf, readFloats, relativeError, sameBytes } from '../../tests/_golden.ts'
import {
  changeOf,
  combineAs,
  openModel,
  openSeveral,
  rowLogits,
  type SeveralCase,
} from '../../tests/plugins/peft/_several.ts'
import { atMost, mustBe, type Row } from './_row.ts'

/** Where what was combined lies, for PEFT to load; `ids.json` beside it. */
export interface SavedCombination {
  readonly name: string
  readonly folder: string
  readonly base: string
  readonly logits: Float32Array
}

/** Rows of the table for what the script wrote into `folder`; `saved` is filled for the second half. */
export function* severalRows(device: Device, folder: string, saved: SavedCombination[]): Generator<Row> {
  const golden = openSeveral(folder)
  const { info, expected, sequence, ids, length } = golden
  using all = openModel(golden, device)
  const { model } = all
  yield atMost(
    'rows through adapters of their own',
    relativeError(rowLogits(golden, model, info.rows), readFloats(expected, 'rows')),
    1e-5,
  )
  const made: number[][] = info.rows.map(() => [])
  const prompts = info.rows.map((_, row) => [...ids.subarray(row * length, (row + 1) * length)])
  for (const { row, id } of generateBatch(model, prompts, { adapters: info.rows, maxNewTokens: 6 }))
    made[row].push(id)
  const isSame = JSON.stringify(made) === JSON.stringify(info.greedy)
  yield mustBe('generation by adapter_names', isSame ? 'same' : 'differs', 'same ids', isSame)
  activateAdapters(model, ['a', 'c'])
  const apart = Float32Array.from(logitsOf(model, sequence))
  yield atMost('two adapters active', relativeError(apart, readFloats(expected, 'pair')), 1e-5)
  mergeAdapters(model)
  yield atMost(
    'two adapters merged',
    relativeError(logitsOf(model, sequence), readFloats(expected, 'pair_merged')),
    1e-5,
  )
  unmergeAdapters(model)
  const isBack = sameBytes(logitsOf(model, sequence), apart)
  yield mustBe('unmerged', isBack ? 'same bits' : 'differs', 'same bits', isBack)
  for (const name of Object.keys(info.methods))
    yield* combinationRows(device, golden, name, join(folder, 'ours', name), saved)
}

/** Rows for what PEFT computed with the combinations that it loaded; `problems` by folder. */
export function* loadedRows(
  saved: readonly SavedCombination[],
  problemsOf: (folder: string) => readonly string[],
): Generator<Row> {
  for (const { name, folder, logits } of saved) {
    const problems = problemsOf(folder)
    const row = `${name}: our files in PEFT`
    if (problems.length > 0) yield mustBe(row, 'FAIL', '≤ 1e-5', false, problems.slice(0, 3).join('; '))
    else
      yield atMost(
        row,
        relativeError(logits, readFloats(openCheckpoint(join(folder, 'peft.safetensors')), 'logits')),
        1e-5,
      )
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function* combinationRows(
  device: Device,
  golden: SeveralCase,
  name: string,
  folder: string,
  saved: SavedCombination[],
): Generator<Row> {
  const { info, expected, sequence, base } = golden
  using all = openModel(golden, device)
  const { model } = all
  using made = combineAs(model, name, info.methods[name])
  const keys = [...expected.entries.keys()].filter((key) => key.startsWith(`${name}.model.`))
  const worst = keys.reduce(
    (most, key) =>
      Math.max(most, relativeError(changeOf(made, key.slice(name.length + 1)), readFloats(expected, key))),
    keys.length > 0 ? 0 : Infinity,
  )
  yield atMost(`${name}: changes of the weights`, worst, 1e-5)
  activateAdapters(model, [name])
  const logits = Float32Array.from(logitsOf(model, sequence))
  yield atMost(`${name}: logits`, relativeError(logits, readFloats(expected, `${name}.logits`)), 1e-5)
  mkdirSync(folder, { recursive: true })
  saveAdapter(folder, made, { baseModel: base })
  writeFileSync(join(folder, 'ids.json'), JSON.stringify([[...sequence.ids]]))
  saved.push({ name, folder, base, logits })
}
