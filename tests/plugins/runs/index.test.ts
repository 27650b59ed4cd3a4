/**
 * The index over all runs: what it reads again, what it forgets, and what a damaged file or a full disk does to it.
 */
import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openRunIndex, type RunIndex } from '../../../plugins/runs/mod.ts'
import { openDatabase } from '../../../plugins/runs/index/sqlite.ts'
import { temporaryFolder } from '../../_golden.ts'
import { workspace } from '../finetune/_run.ts'
import { writeRunFolder } from './_folder.ts'

const metrics = (from: number, to: number): string =>
  Array.from(
    { length: to - from },
    (_, i) => `{"step":${from + i},"loss":${10 / (from + i)},"epoch":1}\n`,
  ).join('')

const names = (index: RunIndex): string[] => index.runs().map(({ run }) => run.run_name)

test('a look reads what is new or changed, and forgets what is gone', async () => {
  using folder = temporaryFolder()
  const { path } = folder
  const runs = join(path, 'runs')
  for (const [i, name] of ['a', 'b', 'c'].entries())
    writeRunFolder(join(runs, name), { run_name: name, started_at: `2026-01-0${i + 1}` })
  const file = join(path, 'index/runs.sqlite')
  {
    using index = await openRunIndex(file)
    expect(index.refresh([runs])).toEqual({ read: 3, gone: 0 })
    expect(index.refresh([runs])).toEqual({ read: 0, gone: 0 })
    expect(names(index)).toEqual(['c', 'b', 'a'])
  }
  using index = await openRunIndex(file)
  expect(names(index)).toEqual(['c', 'b', 'a'])
  writeRunFolder(join(runs, 'a'), { run_name: 'another', started_at: '2026-02-01', current_step: 5 })
  rmSync(join(runs, 'b'), { recursive: true })
  expect(index.refresh()).toEqual({ read: 1, gone: 1 })
  expect(names(index)).toEqual(['another', 'c'])
  index.forget(join(runs, 'c'))
  expect(names(index)).toEqual(['another'])
  expect(existsSync(join(runs, 'c'))).toBe(true)
})

test('curves are thinned to few points that keep every spike, and go on with what is appended', async () => {
  using folder = temporaryFolder()
  const run = writeRunFolder(join(folder.path, 'run'), { run_name: 'run' })
  const file = join(run, 'metrics.jsonl')
  using index = await openRunIndex(join(folder.path, 'i.sqlite'))
  expect(index.curves(run)).toEqual({})
  writeFileSync(file, `${metrics(1, 4)}{"step":4,"lo`)
  expect(Object.keys(index.curves(run))).toEqual(['loss'])
  expect(index.curves(run)['loss']).toEqual(
    [1, 2, 3].map((step) => ({ step, mean: 10 / step, min: 10 / step, max: 10 / step })),
  )
  appendFileSync(file, `ss":99}\n${metrics(5, 3001)}`)
  const { loss } = index.curves(run)
  expect(loss.length).toBe(375)
  expect(loss[0]).toEqual({
    step: 4.5,
    mean: expect.closeTo((10 * (1 + 1 / 2 + 1 / 3 + 9.9 + 1 / 5 + 1 / 6 + 1 / 7 + 1 / 8)) / 8, 9),
    min: 10 / 8,
    max: 99,
  })
  expect(loss.at(-1)?.min).toBe(10 / 3000)
  // A resumed run begins a new file; its curves are those of that file alone.
  rmSync(file)
  writeFileSync(file, metrics(1, 3))
  expect(index.curves(run)['loss'].length).toBe(2)
})

test('the index of several programs at once is one index', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'runs.sqlite')
  writeRunFolder(join(folder.path, 'runs/a'), { run_name: 'a' })
  using first = await openRunIndex(file)
  using second = await openRunIndex(file)
  first.refresh([folder.path])
  expect(names(second)).toEqual(['a'])
  expect(second.refresh([folder.path])).toEqual({ read: 0, gone: 0 })
})

test('a damaged index, or one of another version, is made anew; what it was is kept aside', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'runs.sqlite')
  writeFileSync(file, 'no database, but perhaps something dear to somebody. '.repeat(50))
  writeRunFolder(join(folder.path, 'a'), { run_name: 'a' })
  {
    using index = await openRunIndex(file)
    index.refresh([folder.path])
    expect(names(index)).toEqual(['a'])
  }
  expect(readFileSync(`${file}.damaged`, 'utf8')).toStartWith('no database')
  {
    using later = await openDatabase(file)
    later.execute('PRAGMA user_version = 7')
  }
  using index = await openRunIndex(file)
  expect(names(index)).toEqual([])
})

test('a full disk is one error that names the file, and what was known stays known', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'runs.sqlite')
  using database = await openDatabase(file)
  database.execute('CREATE TABLE t (x TEXT); PRAGMA max_page_count = 4')
  database.change('INSERT INTO t VALUES (?)', 'kept')
  const fill = (): void =>
    database.together(() => {
      for (let i = 0; i < 100; i++) database.change('INSERT INTO t VALUES (?)', 'x'.repeat(4000))
    })
  expect(fill).toThrow(expect.objectContaining({ code: 'E_DISK', place: file }))
  expect(database.rows('SELECT x FROM t')).toEqual([{ x: 'kept' }])
})

test('an index that cannot be written switches its monitor off with a note, and the run goes on', async () => {
  using space = workspace()
  const { createIndexMonitor } = await import('../../../plugins/runs/mod.ts')
  const out = join(space.path, 'out')
  writeFileSync(join(space.path, 'file'), '')
  const broken = createIndexMonitor(out, join(space.path, 'file/runs.sqlite'))
  const good = createIndexMonitor(out, join(space.path, 'runs.sqlite'))
  const { result, events } = await space.train({ max_steps: 2 }, { monitors: [broken, good] })
  expect(result.steps).toBe(2)
  const notes = events.flatMap((event) => (event.type === 'note' ? [event.text] : []))
  expect(notes).toEqual([expect.stringMatching(/^the monitor monitors\[0\] is switched off, it failed: /)])
  using index = await openRunIndex(join(space.path, 'runs.sqlite'))
  expect(index.runs()).toMatchObject([{ folder: out, run: { run_name: 'out' } }])
  index.refresh()
  expect(index.runs()[0].run.status).toBe('completed')
})
