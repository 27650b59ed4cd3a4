/**
 * Batches of trit vectors on the CPU device against the same on packed planes in JavaScript, Uint32 and BigInt, and with a Python against
 * torchhd, in turn. JavaScript and Python have their data ready, as the batches are.
 */
import { fileURLToPath } from 'node:url'
import { type Device, tensorScope } from '../../../core/mod.ts'
import { packedTrits, type PackedTritVec, tritBatch, type TritBatch } from '../../../plugins/ternary/mod.ts'
import { type BigTrits, bigTrits, bindBig, bundleBig, dotBig, unbindBig } from './_bigint-trits.ts'
import { type Child, numberIn, startChild } from '../_child.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import type { BenchContext, Row } from '../_topic.ts'

const DIMS = 10_000
/** Vectors of each side; of a similarity each of the first with all of the second. */
const ROWS = { bind: [1000, 1000], unbind: [1000, 1000], bundle: [1000, 1], similarity: [16, 1000] } as const
type Op = keyof typeof ROWS
const OPS = Object.keys(ROWS) as Op[]

const FLOORS = { javascript: 10, torchhd: 5 }
const DTYPES = ['float32', 'int8'] as const

interface Sides<V> {
  readonly a: readonly V[]
  readonly b: readonly V[]
}

/** What JavaScript does with vectors of one form. */
type Peer<V> = { readonly [O in Op]: (sides: Sides<V>) => unknown }

const uint32: Peer<PackedTritVec> = {
  bind: ({ a, b }) => a.map((x, i) => packedTrits.bind(x, b[i])),
  unbind: ({ a, b }) => a.map((x, i) => packedTrits.unbind(x, b[i])),
  bundle: ({ a }) => packedTrits.bundle(a),
  similarity: ({ a, b }) => a.map((x) => b.map((y) => packedTrits.dot(x, y))),
}

const bigint: Peer<BigTrits> = {
  bind: ({ a, b }) => a.map((x, i) => bindBig(x, b[i])),
  unbind: ({ a, b }) => a.map((x, i) => unbindBig(x, b[i])),
  bundle: ({ a }) => bundleBig(a),
  similarity: ({ a, b }) => a.map((x) => b.map((y) => dotBig(x, y))),
}

const ours: { readonly [O in Op]: (a: TritBatch, b: TritBatch) => unknown } = {
  bind: (a, b) => tritBatch.bind(a, b),
  unbind: (a, b) => tritBatch.unbind(a, b),
  bundle: (a) => tritBatch.bundle(a),
  similarity: (a, b) => tritBatch.dots(a, b),
}

export async function ternaryPeers({
  device,
  context,
}: {
  readonly device: Device
  readonly context: BenchContext
}): Promise<Row[]> {
  const rows: Row[] = []
  await using open = new AsyncDisposableStack()
  const peer = context.python === null ? null : open.use(await startPeer(context.python, context.threads))
  for (const op of OPS) {
    const named = (what: string): string => `${op}, ${what}`
    const wants = (what: string): boolean => context.only === null || named(what).includes(context.only)
    using sides = sidesOf(op, device)
    const own = (): number => {
      using _scope = tensorScope()
      return seconds(() => void ours[op](sides.left, sides.right))
    }
    const measure = async (
      what: string,
      floor: number | null,
      other: () => number | Promise<number>,
    ): Promise<void> => {
      if (!wants(what)) return
      context.progress(named(what))
      // The slowest take most of a second; ours is over many times in that.
      const times = await inTurn(
        { own: () => median([own(), own(), own(), own(), own()]), other },
        { repeat: context.quick ? 3 : 9, warmup: 1, maxSeconds: context.quick ? 3 : 10 },
      )
      rows.push(rowOf(named(what), times, floor))
    }
    await measure('Uint32 planes', FLOORS.javascript, () => seconds(() => void uint32[op](sides)))
    const big = { a: sides.a.map(bigTrits), b: sides.b.map(bigTrits) }
    await measure('BigInt planes', FLOORS.javascript, () => seconds(() => void bigint[op](big)))
    if (peer === null || op === 'unbind') continue
    for (const dtype of DTYPES) await measure(`torchhd, ${dtype}`, FLOORS.torchhd, () => ask(peer, op, dtype))
  }
  return rows
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface OpenSides extends Sides<PackedTritVec>, Disposable {
  readonly left: TritBatch
  readonly right: TritBatch
}

function sidesOf(op: Op, device: Device): OpenSides {
  // Drawing takes longer than all that is measured, so a few are drawn, and moved.
  const [a, b] = ROWS[op].map((count, side) => {
    const drawn = Array.from({ length: 16 }, (_, seed) =>
      packedTrits.random({ dims: DIMS, seed, stream: side }),
    )
    return Array.from({ length: count }, (_, i) => packedTrits.permute(drawn[i % drawn.length], i))
  })
  const [left, right] = [a, b].map((vectors) => tritBatch.of(vectors, { device }))
  return {
    a,
    b,
    left,
    right,
    [Symbol.dispose]() {
      left[Symbol.dispose]()
      right[Symbol.dispose]()
    },
  }
}

async function ask(peer: Child, op: Op, dtype: string): Promise<number> {
  const [rows, others] = ROWS[op]
  return numberIn(await peer.ask(JSON.stringify({ op, dtype, rows, others, dims: DIMS })), 'seconds')
}

function rowOf(
  name: string,
  { own, other }: { readonly own: readonly number[]; readonly other: readonly number[] },
  floor: number | null,
): Row {
  return {
    name,
    ours: median(own) * 1000,
    peer: median(other) * 1000,
    unit: 'ms',
    ratio: medianRatio(other, own),
    floor,
    goal: null,
    better: 'higher',
    note: 'times faster',
  }
}

function startPeer(python: string, threads: number): Promise<Child> {
  const script = fileURLToPath(new URL('ternary_peer.py', import.meta.url))
  return startChild('ternary_peer.py', [python, script, '--threads', String(threads)])
}
