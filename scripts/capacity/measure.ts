/**
 * How often an item memory finds the right one of N random items, tried.
 */
import { createRandom, type Device } from '../../core/mod.ts'
import { createItemMemory, packedTrits, type PackedTritVec } from '../../plugins/ternary/mod.ts'

export interface RecallTrial {
  readonly dims: number
  readonly noise: number
  /** Numbers of items, rising. */
  readonly loads: readonly number[]
  /** For each load. */
  readonly queries: number
  readonly seed: number
  readonly device: Device
}

/** The share that was found, for each load. The memory grows; each load has queries of its own. */
export function measureRecall({ dims, noise, loads, queries, seed, device }: RecallTrial): number[] {
  using memory = createItemMemory({ dims, device })
  const random = createRandom(seed, `capacity/${dims}/${noise}`)
  const items: PackedTritVec[] = []
  return loads.map((load) => {
    for (let i = items.length; i < load; i++) {
      items.push(packedTrits.random({ dims, seed, stream: `item/${i}` }))
      memory.add(String(i), items[i])
    }
    const wanted = Array.from({ length: queries }, () => random.int(load))
    const noisy = wanted.map((i) => withNoise(items[i], noise, random))
    const found = memory.nearestAll(noisy, { metric: 'dot' })
    return found.filter(([{ index }], i) => index === wanted[i]).length / queries
  })
}

/** Each dimension becomes one of the other two trits with probability `noise`. */
function withNoise(
  item: PackedTritVec,
  noise: number,
  random: ReturnType<typeof createRandom>,
): PackedTritVec {
  const trits = packedTrits.toArray(item)
  for (let i = 0; i < trits.length; i++)
    if (random.float() < noise) trits[i] = ((trits[i] + 2 + random.int(2)) % 3) - 1
  return packedTrits.fromArray(trits)
}
