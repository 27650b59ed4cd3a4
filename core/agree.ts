/**
 * Work that every process of a world does, and that counts only if all could: one that fails takes the others with it, and the first
 * of those that failed tells why. Nobody is left waiting for one that is gone.
 */
import type { World } from './contracts/world.ts'
import { TrituneError } from './errors.ts'
import { exactJson, fromExactJson } from './exact-json.ts'

/** What `work` gives, once it worked everywhere. Throws the error of this process where it is the first that failed, else E_PEER. */
export function agree<T>(world: World | null, work: () => T): T {
  if (world === null) return work()
  const outcome = attempt(work)
  settle(world, outcome.error)
  return valueOf(outcome)
}

/** As `agree()`, of work that takes its time. */
export async function agreeAsync<T>(world: World | null, work: () => Promise<T>): Promise<T> {
  if (world === null) return await work()
  let outcome: Outcome<T>
  try {
    outcome = { value: await work(), error: null }
  } catch (error) {
    outcome = { error: failed(error) }
  }
  settle(world, outcome.error)
  return valueOf(outcome)
}

/** What the first process found, on all of them; the others do not do the work. */
export function decide<T>(world: World | null, work: () => T): T {
  if (world === null) return work()
  const outcome: Outcome<T> | null = world.rank === 0 ? attempt(work) : null
  settle(world, outcome?.error ?? null)
  const [text] = world.gather(outcome === null ? '' : exactJson(valueOf(outcome)))
  return outcome === null ? fromExactJson<T>(text) : valueOf(outcome)
}

/** The news that process `rank` failed, which that one tells: for calls that all make, and that end for all with it. */
export function newsOf({ size }: World, rank: number, text: string): TrituneError {
  const error = new TrituneError('E_PEER', `process ${rank} of ${size} stopped: ${text}`)
  news.add(error)
  return error
}

/** Whether all processes know that the job ends, so that each can leave it. */
export function haveAgreedToEnd(world: World): boolean {
  return ended.has(world)
}

/** Whether an error is the news that another process failed, which that one tells. */
export function isOfOther(error: unknown): boolean {
  return error instanceof Error && news.has(error)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ended = new WeakSet<World>()
const news = new WeakSet<Error>()

interface Failure {
  readonly thrown: unknown
}

type Outcome<T> = { readonly value: T; readonly error: null } | { readonly error: Failure }

function failed(thrown: unknown): Failure {
  return { thrown }
}

function attempt<T>(work: () => T): Outcome<T> {
  try {
    return { value: work(), error: null }
  } catch (error) {
    return { error: failed(error) }
  }
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.error !== null) throw outcome.error.thrown
  return outcome.value
}

function settle(world: World, failure: Failure | null): void {
  const told = world.gather(failure === null ? '' : `!${textOf(failure.thrown)}`)
  const first = told.findIndex((text) => text !== '')
  if (first < 0) return
  ended.add(world)
  if (first === world.rank) return
  throw newsOf(world, first, told[first].slice(1))
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
