/**
 * An index over all runs of this machine: a SQLite file with their records and thinned curves. It is made of the folders of the runs and can be made again from
 * them; what is in a folder is the truth.
 *
 * A look asks the file system which run.json changed and reads those alone; curves are read when they are asked for, and then only what was appended.
 */
import { rename } from '../../../core/files/rename.ts'
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cacheFolder } from '../../../core/files/cache-folder.ts'
import { type Monitor, TrituneError } from '../../../core/mod.ts'
import { looseObject } from '../files/loose-object.ts'
import { type ListedRun, runFolders } from '../read/list-runs.ts'
import { markedIfGone, readRecord } from '../read/read-run.ts'
import { RUN_LINES } from '../record/run-lines.ts'
import { parseRunRecord, RUN_RECORD_FILE } from '../record/run-record.ts'
import { type CurvePoint, curvePoints } from './thin-curve.ts'
import { grownCurves, noCurves, parseCurves, type StoredCurves } from './stored-curves.ts'
import { type Database, openDatabase } from './sqlite.ts'

/** What a look at the folders found. */
export interface IndexChanges {
  /** Runs that are new or changed. */
  readonly read: number
  /** Runs whose folder is not there any more. */
  readonly gone: number
}

/** All runs that are known on this machine. */
export interface RunIndex extends Disposable {
  /** The SQLite file. */
  readonly path: string
  /** Looks at the known runs, and for new ones at or below `roots`. */
  refresh(roots?: readonly string[]): IndexChanges
  /** Newest first, as of the last look. */
  runs(): ListedRun[]
  /** The curves of a run by the names of metrics.jsonl (`loss`, `eval_loss`, …): 512 points each at most. */
  curves(folder: string): Readonly<Record<string, readonly CurvePoint[]>>
  /** Forgets a run; its folder stays. */
  forget(folder: string): void
}

/** Where the index of this machine lies. */
export function runIndexPath(): string {
  return join(cacheFolder(), 'runs.sqlite')
}

/**
 * Opens the index, or makes it. One that is damaged or of another version is made anew.
 *
 * @throws E_UNSUPPORTED without node:sqlite; E_FILE, E_DISK, E_BUSY
 * @example
 * ```ts
 * import { openRunIndex } from 'tritune/plugins/runs'
 *
 * using index = await openRunIndex('./runs.sqlite')
 * index.refresh(['./outputs'])
 * for (const { folder, run } of index.runs()) console.log(run.run_name, run.status, index.curves(folder)['loss']?.length)
 * ```
 */
export async function openRunIndex(path: string = runIndexPath()): Promise<RunIndex> {
  const database = await openUsable(path)
  const update = (folder: string, stamp: string): void => {
    const record = readRecord(folder)
    database.change(
      'INSERT INTO runs (folder, stamp, started, record) VALUES (?, ?, ?, ?) ON CONFLICT (folder) DO UPDATE SET stamp = excluded.stamp, started = excluded.started, record = excluded.record',
      folder,
      stamp,
      record.started_at,
      JSON.stringify(record),
    )
  }
  const forget = (folder: string): void => {
    for (const table of ['runs', 'curves']) database.change(`DELETE FROM ${table} WHERE folder = ?`, folder)
  }
  return {
    path,
    refresh(roots = []) {
      const known = new Map(
        database
          .rows('SELECT folder, stamp FROM runs')
          .map((row) => [String(row['folder']), String(row['stamp'])]),
      )
      const folders = new Set([...known.keys(), ...roots.flatMap((root) => runFolders(resolve(root)))])
      const stamps = [...folders].map((folder) => ({ folder, stamp: stampOf(folder) }))
      const gone = stamps.filter(({ stamp }) => stamp === null)
      const changed = stamps.flatMap(({ folder, stamp }) =>
        stamp === null || stamp === known.get(folder) ? [] : [{ folder, stamp }],
      )
      if (gone.length + changed.length > 0)
        database.together(() => {
          for (const { folder } of gone) forget(folder)
          for (const { folder, stamp } of changed) update(folder, stamp)
        })
      return { read: changed.length, gone: gone.length }
    },
    runs: () =>
      database
        .rows('SELECT folder, record FROM runs ORDER BY started DESC, folder')
        .map(({ folder, record }) => ({
          folder: String(folder),
          run: markedIfGone(parseRunRecord(JSON.parse(String(record))), String(folder)),
        })),
    curves(folder) {
      const key = resolve(folder)
      const [row] = database.rows('SELECT curves FROM curves WHERE folder = ?', key)
      const before = row ? parseCurves(String(row['curves'])) : noCurves()
      const now = grownCurves(join(key, RUN_LINES.metrics), before)
      if (now !== before) keep(database, key, now)
      return Object.fromEntries(Object.entries(now.series).map(([name, curve]) => [name, curvePoints(curve)]))
    },
    forget: (folder) => database.together(() => forget(resolve(folder))),
    [Symbol.dispose]: () => database[Symbol.dispose](),
  }
}

/** A monitor that puts the run into the index at its start and at its end. What fails is a note, as of any monitor. */
export function createIndexMonitor(outputDir: string, path?: string): Monitor {
  return {
    async onEvent({ type }) {
      if (type !== 'start' && type !== 'end' && type !== 'error') return
      try {
        using index = await openRunIndex(path)
        index.refresh([outputDir])
      } catch (error) {
        // Who asks for the index is told; a run does without.
        if (!(error instanceof TrituneError) || error.code !== 'E_UNSUPPORTED') throw error
      }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const VERSION = 1

const TABLES = `
CREATE TABLE IF NOT EXISTS runs (folder TEXT PRIMARY KEY, stamp TEXT NOT NULL, started TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_start ON runs (started);
CREATE TABLE IF NOT EXISTS curves (folder TEXT PRIMARY KEY, curves TEXT NOT NULL);
PRAGMA user_version = ${VERSION};
`

async function openUsable(path: string): Promise<Database> {
  try {
    return await openAs(path)
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_FORMAT') throw error
    // It can be made again, and what made it unreadable is no fault of the runs. Its last state is kept aside, as it may be no index at all.
    rename(path, `${path}.damaged`)
    return await openAs(path)
  }
}

async function openAs(path: string): Promise<Database> {
  const database = await openDatabase(path)
  try {
    // Several programs may look at once; one that was killed while it wrote leaves it whole.
    database.execute('PRAGMA busy_timeout = 3000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    const [row] = database.rows('PRAGMA user_version')
    const version = looseObject(row).number('user_version', 0)
    if (version !== VERSION && version !== 0)
      throw new TrituneError('E_FORMAT', `the index of runs is of version ${version}`, { place: path })
    if (version === 0) database.together(() => database.execute(TABLES))
    return database
  } catch (error) {
    database[Symbol.dispose]()
    throw error
  }
}

/** Which state of a run it is; null: there is none any more. */
function stampOf(folder: string): string | null {
  for (const name of [RUN_RECORD_FILE, RUN_LINES.metrics]) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false })
    if (stat) return `${name} ${stat.ino} ${stat.mtimeMs} ${stat.size}`
  }
  return null
}

function keep(database: Database, folder: string, curves: StoredCurves): void {
  if (!existsSync(folder)) return
  database.change(
    'INSERT INTO curves (folder, curves) VALUES (?, ?) ON CONFLICT (folder) DO UPDATE SET curves = excluded.curves',
    folder,
    JSON.stringify(curves),
  )
}
