/**
 * Runs that are kept: found again by settings and sources, made anew where either differs, failed ones too.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import {
  createRunCache,
  maybeInfinite,
  MissingRun,
  type RunCache,
} from '../../../scripts/bench/runs/run-cache.ts'
import { versionOf } from '../../../scripts/bench/runs/source-version.ts'

interface Outcome {
  readonly loss: number
  readonly failure: string | null
}
const outcome = v.object({ loss: maybeInfinite, failure: v.nullable(v.string()) })
const OUTCOME: Outcome = { loss: 2.5, failure: null }

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tritune-runs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (isComplete = false): RunCache<Outcome> => createRunCache(folder, { outcome, isComplete })
const never = (): Outcome => {
  throw new Error('made again')
}

test('a run is made once for its settings and sources, in whatever order they are', () => {
  expect(open().run({ seed: 1, steps: 10 }, 'v1', () => OUTCOME)).toMatchObject({
    isNew: true,
    outcome: OUTCOME,
  })
  const again = open()
  expect(again.run({ steps: 10, seed: 1 }, 'v1', never)).toMatchObject({ isNew: false, outcome: OUTCOME })
  again.run({ seed: 1, steps: 10 }, 'v1', never)
  again.run({ seed: 2, steps: 10 }, 'v1', () => OUTCOME)
  again.run({ seed: 1, steps: 10 }, 'v2', () => OUTCOME)
  expect(again.runs.map(({ isNew }) => isNew)).toEqual([false, true, true])
  expect(readdirSync(folder)).toHaveLength(3)
})

test('a run that failed is kept with its loss of Infinity, and listed', () => {
  const lost = { loss: Infinity, failure: 'the loss of step 3 is NaN' }
  open().run({ seed: 1 }, 'v', () => lost)
  const cache = open()
  expect(cache.run({ seed: 1 }, 'v', never).outcome).toEqual(lost)
  expect(cache.runs.map(({ outcome: { failure } }) => failure)).toEqual(['the loss of step 3 is NaN'])
})

test('what throws is not kept; without a folder a run is kept as long as the process; nothing is made where all is to be there', () => {
  expect(() => open().run({}, 'v', never)).toThrow('made again')
  const passing = createRunCache(null, { outcome })
  passing.run({}, 'v', () => OUTCOME)
  expect(passing.run({}, 'v', never).outcome).toBe(OUTCOME)
  expect(() => open(true).run({}, 'v', () => OUTCOME)).toThrow(MissingRun)
  expect(readdirSync(folder)).toEqual([])
})

test.each(['{"outcome":', '{"outcome":{"loss":1}}', '{}', '[]', 'null'])(
  'a file of %p is one clear error, and stays as it is',
  (text) => {
    open().run({ seed: 1 }, 'v', () => OUTCOME)
    const [name] = readdirSync(folder)
    writeFileSync(join(folder, name), text)
    expect(() => open().run({ seed: 1 }, 'v', never)).toThrow(`${name} is not a finished run`)
  },
)

test('the version of sources is of all that is imported, without types and comments, and of nothing else', () => {
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  mkdirSync(join(folder, 'deep'))
  write(
    'a.ts',
    "import { b } from './deep/b.ts'\nimport type { T } from './types.ts'\nimport 'elsewhere'\nb()\n",
  )
  write('deep/b.ts', "export * from '../c.ts'\nexport const b = () => import('./d.ts')\n")
  write('c.ts', 'export const c = 1\n')
  write('deep/d.ts', 'export const d = 1\n')
  write('types.ts', 'export type T = 1\n')
  const version = (): string => versionOf([join(folder, 'a.ts')])
  let before = version()
  write('types.ts', 'export type T = 2\n')
  write('c.ts', '/** Words. */\nexport const c: number = 1 // more\n')
  expect(version()).toBe(before)
  for (const [name, text] of [
    ['deep/d.ts', 'export const d = 2\n'],
    ['c.ts', 'export const c = 2\n'],
  ]) {
    write(name, text)
    expect(version()).not.toBe(before)
    before = version()
  }
  rmSync(join(folder, 'c.ts'))
  expect(version).toThrow('c.ts')
})
