/**
 * A world whose other processes are lost: the first one is all there is of it from then on, another one is told to end.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError, type World } from '../../../core/mod.ts'
import { agree, decide } from '../../../core/agree.ts'
import { enduringWorld } from '../../../plugins/distributed/mod.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'

interface Losing extends World {
  isLost: boolean
  forsaken: number
  calls: number
}

/** Two processes, the other of which says what this one says, until it is lost. */
function losingWorld(rank: number, fault: Error = new TrituneError('E_PEER', 'a gather waited')): Losing {
  const reached = <T>(value: T): T => {
    world.calls++
    if (world.isLost) throw fault
    return value
  }
  const world: Losing = {
    isLost: false,
    forsaken: 0,
    calls: 0,
    rank,
    size: 2,
    localRank: 0,
    localSize: 1,
    patience: 5,
    description: 'of a test',
    sum: (values) => reached(values.set(values.map((x) => 2 * x))),
    sumPart: (_, part) => reached(part.fill(1)),
    collect(own, all) {
      reached(all.set(own))
      all.set(own, own.length)
    },
    exchange: (rows, received) => reached(received.set(rows)),
    // The other process has another number, so that this one waits for nobody.
    gather: (text) => reached([text.replace(`\n${process.pid}`, '\n4194304'), text]),
    broadcast: () => reached(undefined),
    onDevice: () => null,
    abort() {
      throw new Error('nobody is to be ended')
    },
    forsake: () => void world.forsaken++,
    [Symbol.dispose]: () => undefined,
  }
  return world
}

describe('the first process', () => {
  test('has all processes until one is lost, then itself', () => {
    const inner = losingWorld(0)
    const told: string[] = []
    const world = enduringWorld(inner, { onAlone: ({ what }) => told.push(what) })
    expect([world.size, world.gather('a')]).toEqual([2, ['a', 'a']])
    inner.isLost = true
    expect(world.gather('b')).toEqual(['b'])
    expect([world.size, world.localSize, inner.forsaken, told]).toEqual([1, 1, 1, ['a gather waited']])
    const { calls } = inner
    const values = Float32Array.of(1, 2)
    world.sum(values)
    world.broadcast(new Uint8Array(2))
    expect([...values]).toEqual([1, 2])
    expect(decide(world, () => agree(world, () => 7))).toBe(7)
    const all = new Uint8Array(2)
    world.collect(Uint8Array.of(3, 4), all)
    expect([...all]).toEqual([3, 4])
    expect(inner.calls).toBe(calls)
  })
  test('has no bytes of those that are lost', () => {
    const inner = losingWorld(0)
    const world = enduringWorld(inner)
    inner.isLost = true
    expect(thrownBy(() => world.collect(Uint8Array.of(1), new Uint8Array(2)))[0]).toBe('E_PEER')
    expect(thrownBy(() => world.exchange(new Uint8Array(2), new Uint8Array(2)))[0]).toBe('E_PEER')
    expect(world.size).toBe(1)
  })
  test('does not take a fault of its own for that', () => {
    const inner = losingWorld(0, new TrituneError('E_SHAPE', 'of another length'))
    const world = enduringWorld(inner)
    inner.isLost = true
    expect(thrownBy(() => world.gather(''))[0]).toBe('E_SHAPE')
    expect([world.size, inner.forsaken]).toEqual([2, 0])
  })
})

test('another process is told that it ends', () => {
  const inner = losingWorld(1)
  const world = enduringWorld(inner)
  inner.isLost = true
  expect(thrownBy(() => world.sum(Float32Array.of(1)))).toEqual([
    'E_PEER',
    'a gather waited; the first process goes on alone, and this one ends',
  ])
  expect(inner.forsaken).toBe(1)
})
