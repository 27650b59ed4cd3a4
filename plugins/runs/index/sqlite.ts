/**
 * SQLite as every runtime has it (node:sqlite: Bun, Deno, Node 22.13), with its failures as ours.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { TrituneError } from '../../../core/mod.ts'
import { fileError } from '../../../core/files/files.ts'

/** A value in a row. */
export type SqlValue = string | number | null

/** An open database. */
export interface Database extends Disposable {
  /** One or more statements without values. */
  execute(sql: string): void
  change(sql: string, ...values: readonly SqlValue[]): void
  rows(sql: string, ...values: readonly SqlValue[]): Record<string, unknown>[]
  /** All of `work`, or nothing of it. */
  together(work: () => void): void
}

/** Opens or makes the file. Throws E_UNSUPPORTED where the runtime has no SQLite; E_FILE, E_DISK, E_BUSY, E_FORMAT. */
export async function openDatabase(path: string): Promise<Database> {
  const { DatabaseSync } = await import('node:sqlite').catch((cause: unknown) => {
    throw new TrituneError(
      'E_UNSUPPORTED',
      'the index of runs needs node:sqlite, which this runtime does not have',
      {
        remedy: 'use Bun, Deno, or Node 22.13 or newer',
        cause,
      },
    )
  })
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (error) {
    throw fileError(error, dirname(path), 'cannot create the folder')
  }
  return wrapped(
    guarded(path, () => new DatabaseSync(path)),
    path,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function wrapped(database: DatabaseSync, path: string): Database {
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const prepared = (sql: string): ReturnType<DatabaseSync['prepare']> => {
    const found = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, found)
    return found
  }
  const guard = <T>(work: () => T): T => guarded(path, work)
  return {
    execute: (sql) => guard(() => database.exec(sql)),
    change: (sql, ...values) => guard(() => void prepared(sql).run(...values)),
    rows: (sql, ...values) => guard(() => prepared(sql).all(...values)),
    together(work) {
      guard(() => database.exec('BEGIN IMMEDIATE'))
      try {
        work()
        guard(() => database.exec('COMMIT'))
      } catch (error) {
        // A disk that is full has ended it already.
        if (database.isTransaction) guard(() => database.exec('ROLLBACK'))
        throw error
      }
    },
    [Symbol.dispose]() {
      statements.clear()
      database.close()
    },
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw sqliteError(error, path)
  }
}

/** By SQLite's primary result codes, https://www.sqlite.org/rescode.html. */
function sqliteError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof TrituneError) return error
  const code: unknown = Reflect.get(error, 'errcode')
  if (typeof code !== 'number') return error
  const details = { place: path, cause: error }
  switch (code & 0xff) {
    case 5:
    case 6:
      return new TrituneError('E_BUSY', 'another program writes into the index of runs', {
        ...details,
        remedy: 'try again',
      })
    case 13:
      return new TrituneError('E_DISK', 'no space left for the index of runs', {
        ...details,
        remedy: 'free some space; the runs themselves are untouched',
      })
    case 11:
    case 26:
      return new TrituneError('E_FORMAT', 'the index of runs is damaged', {
        ...details,
        remedy: 'remove the file: it is made again from the folders of the runs',
      })
    default:
      return new TrituneError('E_FILE', `the index of runs cannot be used: ${error.message}`, details)
  }
}
