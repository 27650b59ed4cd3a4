/**
 * One process of a job whose arrays are in the memory of an emulated GPU: `<what>` says what it does with the others.
 */
import { cast, type Tensor, tensor, tensorScope, TrituneError, type World, zeros } from '../../../core/mod.ts'
import { openCuda } from '../../../plugins/cuda/mod.ts'
import { joinWorld } from '../../../plugins/distributed/mod.ts'

const [what = 'collectives', timeout = '20000'] = process.argv.slice(2)
const device = openCuda({ emulated: true })

const TASKS: Readonly<Record<string, (world: World) => void>> = {
  collectives(world) {
    using _scope = tensorScope()
    const on = world.onDevice(device)
    const wrong = on === null ? ['no NCCL'] : [...sums(world), ...parts(world), ...bytes(world)]
    const host = hostWrong(world)
    const all = world.gather([...wrong, ...host].join(', '))
    const hashes = world.gather(bitsOfSum(world))
    if (world.rank === 0) {
      console.log(`wrong: ${all.filter((text) => text !== '').join('; ') || 'nothing'}`)
      console.log(`${new Set(hashes).size} kinds of bits by ${world.description}`)
    }
    world[Symbol.dispose]()
  },
  /** The second one comes too late for a sum on the GPU. */
  late(world) {
    using _scope = tensorScope()
    const on = world.onDevice(device)
    world.patience = 300
    if (world.rank === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)
    failing(world, () => on?.sum(zeros([1000], { device })))
  },
  /** The second one ends its part of the job; what the first one waits for fails. */
  abort(world) {
    using _scope = tensorScope()
    const on = world.onDevice(device)
    if (world.rank === 1) world.abort(9)
    failing(world, () => on?.sum(zeros([1000], { device })))
  },
}

function failing(world: World, call: () => void): void {
  try {
    call()
    console.log(`process ${world.rank} waited for nothing`)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    console.log(`process ${world.rank}: ${error.code}: ${error.message.split('\n')[0]}`)
    world.abort(86)
  }
}

function sums(world: World): string[] {
  const ranks = (world.size * (world.size - 1)) / 2
  return [1, 2, 7, 1000, 70_001].flatMap((length) => {
    const values = onGpu(length, (i) => (i % 97) + world.rank)
    world.onDevice(device)?.sum(values)
    const half = cast(
      onGpu(length, (i) => (i % 50) + world.rank),
      'bf16',
    )
    world.onDevice(device)?.sum(half)
    const isRight = values.toArray().every((value, i) => value === world.size * (i % 97) + ranks)
    const isHalfRight = cast(half, 'f32')
      .toArray()
      .every((value, i) => value === world.size * (i % 50) + ranks)
    return [...(isRight ? [] : [`sum of ${length}`]), ...(isHalfRight ? [] : [`bf16 sum of ${length}`])]
  })
}

function parts(world: World): string[] {
  const ranks = (world.size * (world.size - 1)) / 2
  const length = 20_001
  const values = onGpu(world.size * length, (i) => (i % 1000) + world.rank)
  const part = zeros([length], { device })
  world.onDevice(device)?.sumPart(values, part)
  const isRight = part
    .toArray()
    .every((value, i) => value === world.size * ((world.rank * length + i) % 1000) + ranks)
  return isRight ? [] : ['part']
}

function bytes(world: World): string[] {
  const last = world.size - 1
  const sent = onGpu(30_003, (i) => (world.rank === last ? i : 0))
  world.onDevice(device)?.broadcast(sent, last)
  const all = zeros([3 * world.size], { device })
  world.onDevice(device)?.collect(
    onGpu(3, (i) => 10 * world.rank + i),
    all,
  )
  return [
    ...(sent.toArray().every((value, i) => value === i) ? [] : ['broadcast']),
    ...(all.toArray().every((value, i) => value === 10 * Math.floor(i / 3) + (i % 3)) ? [] : ['collect']),
  ]
}

/** What lies on the host, which without MPI goes through the GPU. */
function hostWrong(world: World): string[] {
  const values = Float32Array.from({ length: 20_003 }, (_, i) => i + world.rank)
  world.sum(values)
  const rows = Uint8Array.from({ length: 7 * world.size }, (_, i) => 100 * world.rank + Math.floor(i / 7))
  const received = new Uint8Array(rows.length)
  world.exchange(rows, received)
  const sent = Uint8Array.of(world.rank, 5)
  world.broadcast(sent, world.size - 1)
  const ranks = (world.size * (world.size - 1)) / 2
  return [
    ...(values.every((value, i) => value === world.size * i + ranks) ? [] : ['sum of the host']),
    ...(received.every((value, i) => value === ((100 * Math.floor(i / 7) + world.rank) & 255))
      ? []
      : ['exchange']),
    ...(sent[0] === world.size - 1 ? [] : ['broadcast of the host']),
    ...(world.gather('ä'.repeat(200 * world.rank))[world.size - 1].length === 200 * (world.size - 1)
      ? []
      : ['texts']),
  ]
}

/** Numbers whose sum depends on the order of the additions. */
function bitsOfSum(world: World): string {
  const values = onGpu(5001, (i) => Math.sin(i * 37 + world.rank * 1.7) * 10 ** (((i + world.rank) % 13) - 6))
  world.onDevice(device)?.sum(values)
  return Bun.hash(new Uint8Array(values.toArray().slice().buffer)).toString()
}

function onGpu(length: number, of: (i: number) => number): Tensor {
  return tensor(
    Float32Array.from({ length }, (_, i) => of(i)),
    { device },
  )
}

const world = joinWorld({ timeoutMs: Number(timeout) })
if (world === null) throw new Error('nobody started this')
TASKS[what](world)
