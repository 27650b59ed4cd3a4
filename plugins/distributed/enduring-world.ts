/**
 * A world whose first process goes on alone when the others do not answer any more. The others end: what they learn reaches nobody.
 */
import { hostname } from 'node:os'
import { TrituneError, type World } from '../../core/mod.ts'

/** Who is told. */
export interface EnduringWorldOptions {
  /** Told once, on the process that goes on. */
  onAlone?(reason: TrituneError): void
}

/**
 * `world` as before until a call fails or waits for too long. From then on the first process is the only one of it: `size` is 1, what it gathers is its own,
 * and a `collect()` for more throws E_PEER. On the others that call throws E_PEER, and they are to end.
 *
 * @example
 * ```ts
 * import { enduringWorld, joinWorld } from 'tritune/plugins/distributed'
 *
 * using joined = joinWorld()
 * const world = joined && enduringWorld(joined, { onAlone: ({ message }) => console.log(message) })
 * console.log(world === null) // → true
 * ```
 */
export function enduringWorld(world: World, { onAlone }: EnduringWorldOptions = {}): World {
  const { rank } = world
  const [host, first] = world.gather(`${hostname()}\n${process.pid}`)[0].split('\n')
  let isAlone = false

  /** The call with all, or what comes of it with this process alone. */
  const calling = <T>(call: () => T, alone: () => T): T => {
    if (isAlone) return alone()
    try {
      return call()
    } catch (error) {
      if (!(error instanceof TrituneError) || error.code !== 'E_PEER') throw error
      world.forsake()
      if (rank !== 0) throw lost(error, host === hostname() ? Number(first) : null)
      isAlone = true
      onAlone?.(error)
      return alone()
    }
  }
  const nothing = (): void => {
    // The sum of one, the bytes of one.
  }

  return {
    rank,
    get size() {
      return isAlone ? 1 : world.size
    },
    localRank: world.localRank,
    get localSize() {
      return isAlone ? 1 : world.localSize
    },
    get patience() {
      return world.patience
    },
    set patience(milliseconds) {
      world.patience = milliseconds
    },
    description: world.description,
    sum: (values) => calling(() => world.sum(values), nothing),
    sumPart: (values, part) => calling(() => world.sumPart(values, part), takeOwn(part, values)),
    collect: (own, all) => calling(() => world.collect(own, all), takeOwn(all, own)),
    exchange: (rows, received) =>
      calling(
        () => world.exchange(rows, received),
        () => {
          throw gone()
        },
      ),
    gather: (text) =>
      calling(
        () => world.gather(text),
        () => [text],
      ),
    broadcast: (bytes, from) => calling(() => world.broadcast(bytes, from), nothing),
    // An aborted communicator of a GPU is gone for good, and what is alone needs none.
    onDevice: () => null,
    abort: (code) => world.abort(code),
    forsake: () => world.forsake(),
    [Symbol.dispose]: () => world[Symbol.dispose](),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What one process has of a call is all there is, where it has room for no more. */
function takeOwn<A extends Uint8Array | Float32Array>(into: A, own: A): () => void {
  return () => {
    if (into.length !== own.length) throw gone()
    into.set(own)
  }
}

function gone(): TrituneError {
  return new TrituneError('E_PEER', 'the other processes are gone, and what they had with them')
}

/**
 * A launcher ends all processes when one that it reaches ends too early, so one beside the first process waits for the end of that one; a process of another machine
 * does not.
 */
function lost(reason: TrituneError, firstPid: number | null): TrituneError {
  if (firstPid !== null) waitForEnd(firstPid)
  return new TrituneError('E_PEER', `${reason.what}; the first process goes on alone, and this one ends`, {
    cause: reason,
  })
}

const POLL_MS = 500

function waitForEnd(pid: number): void {
  const bell = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    if (!isThere(pid)) return
    Atomics.wait(bell, 0, 0, POLL_MS)
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
