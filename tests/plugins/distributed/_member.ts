/**
 * One process of a job: `<what>` says what it does with the others.
 */
import { TrituneError, type World } from '../../../core/mod.ts'
import { joinWorld } from '../../../plugins/distributed/mod.ts'

const [what = 'collectives'] = process.argv.slice(2)

const TASKS: Readonly<Record<string, (world: World) => void>> = {
  collectives(world) {
    const wrong = [...sums(world), ...parts(world), ...bytes(world), ...texts(world)]
    const all = world.gather(wrong.join(', '))
    if (world.rank === 0) {
      console.log(`wrong: ${all.filter((text) => text !== '').join('; ') || 'nothing'}`)
      console.log(`connected by ${world.description}`)
    }
    world[Symbol.dispose]()
  },
  /** The second one comes too late. */
  late(world) {
    world.patience = 300
    if (world.rank === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000)
    try {
      world.gather('here')
    } catch (error) {
      if (!(error instanceof TrituneError)) throw error
      console.log(`${error.code}: ${error.message}`)
      world.abort(86)
    }
  },
  /** The second one ends as if all were well. */
  leave(world) {
    if (world.rank === 1) process.exit(0)
    world.gather('here')
  },
}

function sums(world: World): string[] {
  return [1, 7, 1000, 2_100_001].flatMap((length) => {
    const values = Float32Array.from({ length }, (_, i) => (i % 97) + world.rank)
    world.sum(values)
    const ranks = (world.size * (world.size - 1)) / 2
    return values.every((value, i) => value === world.size * (i % 97) + ranks) ? [] : [`sum of ${length}`]
  })
}

function parts(world: World): string[] {
  return [1, 1_100_001].flatMap((length) => {
    const values = Float32Array.from({ length: world.size * length }, (_, i) => (i % 1000) + world.rank)
    const part = new Float32Array(length)
    world.sumPart(values, part)
    const ranks = (world.size * (world.size - 1)) / 2
    const isRight = part.every(
      (value, i) => value === world.size * ((world.rank * length + i) % 1000) + ranks,
    )
    return isRight ? [] : [`part of ${length}`]
  })
}

function bytes(world: World): string[] {
  const last = world.size - 1
  const sent = new Uint8Array(100_003)
  if (world.rank === last) for (const i of sent.keys()) sent[i] = i * 7
  world.broadcast(sent, last)
  const all = new Uint8Array(3 * world.size)
  world.collect(Uint8Array.of(world.rank, 1, 2), all)
  // Process r has 100 r + s for process s, in rows of 5000.
  const rows = Uint8Array.from(
    { length: 5000 * world.size },
    (_, i) => 100 * world.rank + Math.floor(i / 5000),
  )
  const received = new Uint8Array(rows.length)
  world.exchange(rows, received)
  return [
    ...(received.every((value, i) => value === ((100 * Math.floor(i / 5000) + world.rank) & 255))
      ? []
      : ['exchange']),
    ...(sent.every((value, i) => value === ((i * 7) & 255)) ? [] : ['broadcast']),
    ...(all.every((value, i) => value === (i % 3 === 0 ? i / 3 : i % 3)) ? [] : ['collect']),
  ]
}

function texts(world: World): string[] {
  return [0, 1, 200].flatMap((times) => {
    const of = (rank: number): string => 'ä'.repeat(times * rank)
    return world.gather(of(world.rank)).every((text, rank) => text === of(rank)) ? [] : [`texts of ${times}`]
  })
}

const world = joinWorld()
if (world === null) throw new Error('nobody started this')
TASKS[what](world)
