/**
 * Several workers at once, each in a thread of its own: as processes are, with shared memory between them.
 */
import { Worker } from 'node:worker_threads'
import type { LocalStepsOptions } from '../../../../plugins/vsa-optim/mod.ts'

/** What a worker is told: runs, one after the other. */
export interface TeamTask {
  readonly runs: readonly TeamRun[]
  readonly memory: SharedArrayBuffer
  readonly rank: number
  readonly size: number
}

export interface TeamRun {
  readonly steps: number
  readonly options: LocalStepsOptions
  /** After so many steps the strategy is saved and made anew. */
  readonly interruptedAfter?: number
}

/** What a worker came to. */
export interface Told {
  readonly failure: string | null
  readonly weights: readonly (readonly number[])[]
  readonly metrics: Readonly<Record<string, number>>
  /** How messages went. */
  readonly way: string
}

/** What each of `size` workers tells at the end of each run: `[run][worker]`. */
export async function runTeam(size: number, ...runs: readonly TeamRun[]): Promise<Told[][]> {
  const memory = new SharedArrayBuffer(16 + size * (1 << 16))
  const told = await Promise.all(
    Array.from({ length: size }, (_, rank) => member({ runs, memory, rank, size })),
  )
  return runs.map((_, i) => told.map((of) => of[i]))
}

async function member(task: TeamTask): Promise<Told[]> {
  const thread = new Worker(new URL('_team-member.ts', import.meta.url), { workerData: task })
  try {
    return await new Promise((resolve, reject) => {
      thread.on('message', (told: Told[]) => resolve(told))
      thread.on('error', reject)
    })
  } finally {
    await thread.terminate()
  }
}
