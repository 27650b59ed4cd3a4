/**
 * Runs a command in the job that a launcher started it for, or alone. What fails is told once, by the process that it happened to, and
 * then nobody waits for anybody: either all know and leave together, or the job is ended.
 */
import { hostname } from 'node:os'
import { haveAgreedToEnd, isOfOther } from '../../core/agree.ts'
import { TrituneError } from '../../core/errors.ts'
import type { World } from '../../core/mod.ts'
import { joinWorld } from '../../plugins/distributed/mod.ts'
import { exitCodeOf } from '../terminal/error-line.ts'
import { err } from '../terminal/streams.ts'

export async function inWorld(work: (world: World | null) => Promise<void>): Promise<void> {
  const world = joinWorld()
  if (world === null) return await work(null)
  try {
    await work(world)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    if (!isOfOther(error)) err.write(`${label(world)}error: ${error.message}\n`)
    process.exitCode = exitCodeOf(error)
    if (!haveAgreedToEnd(world)) world.abort(exitCodeOf(error))
  }
  world[Symbol.dispose]()
}

/** Which process it is, where it is not the first. */
function label({ rank, size }: World): string {
  return rank === 0 ? '' : `[process ${rank} of ${size} on ${hostname()}] `
}
