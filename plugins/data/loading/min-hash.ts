/**
 * MinHash with banding (A. Broder, "On the resemblance and containment of documents", 1997): which examples have so many runs of five
 * tokens in common with an earlier one. Runs that stand in more than a tenth of the examples, such as the words of a prompt, do not count.
 *
 * An example takes 512 bytes while it is compared, and what two have in common is an estimate (± 0.04).
 */
import type { TokenizedExample } from '../types/dataset-type.ts'

const RUN = 5
const HASHES = 128
const SAMPLE = 1024
const COMMON = 0.1

/** For the examples in order: whether one that stays is as like as `threshold`. Ask from 0 on, each once. */
export function hasTwin(
  examples: readonly TokenizedExample[],
  threshold: number,
): (index: number) => boolean {
  const common = commonRuns(examples)
  const signatures = new Uint32Array(HASHES * examples.length)
  const rows = rowsFor(threshold)
  const buckets = Array.from({ length: HASHES / rows }, () => createBuckets(examples.length))
  return (index) => {
    const own = signatures.subarray(index * HASHES, (index + 1) * HASHES)
    sign(own, runsOf(examples[index].ids), common)
    const keys = buckets.map((_, band) => keyOf(own.subarray(band * rows, (band + 1) * rows)))
    for (const [band, bucket] of buckets.entries())
      for (const other of bucket.at(keys[band]))
        if (likeness(own, signatures.subarray(other * HASHES, (other + 1) * HASHES)) >= threshold) return true
    buckets.forEach((bucket, band) => bucket.add(keys[band], index))
    return false
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The hash of each run of tokens; of a shorter example that of the whole. */
function runsOf(ids: Int32Array): Uint32Array {
  const count = Math.max(1, ids.length - RUN + 1)
  const runs = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    let hash = 0x811c9dc5
    for (let j = i; j < Math.min(i + RUN, ids.length); j++) hash = mixed(hash ^ ids[j])
    runs[i] = hash
  }
  return runs
}

function commonRuns(examples: readonly TokenizedExample[]): ReadonlySet<number> {
  const step = Math.max(1, Math.floor(examples.length / SAMPLE))
  const counts = new Map<number, number>()
  let sampled = 0
  for (let i = 0; i < examples.length && sampled < SAMPLE; i += step, sampled++)
    for (const run of new Set(runsOf(examples[i].ids))) counts.set(run, (counts.get(run) ?? 0) + 1)
  const most = Math.max(8, COMMON * sampled)
  return new Set([...counts].flatMap(([run, count]) => (count > most ? [run] : [])))
}

/** The smallest of each of the hashes; an example of common runs only has those of all of them. */
function sign(signature: Uint32Array, runs: Uint32Array, common: ReadonlySet<number>): void {
  const own = runs.filter((run) => !common.has(run))
  signature.fill(0xffffffff)
  for (const run of own.length > 0 ? own : runs)
    for (let i = 0; i < HASHES; i++) {
      const hash = mixed(run ^ Math.imul(i + 1, 0x9e3779b9))
      if (hash < signature[i]) signature[i] = hash
    }
}

/** Rows of a band: as many as find nearly all pairs at the threshold. */
function rowsFor(threshold: number): number {
  const fitting = [16, 8, 4, 2].find((rows) => (rows / HASHES) ** (1 / rows) <= threshold - 0.05)
  return fitting ?? 1
}

function keyOf(band: Uint32Array): number {
  let hash = 0x811c9dc5
  for (const value of band) hash = mixed(hash ^ value)
  return hash
}

function likeness(a: Uint32Array, b: Uint32Array): number {
  let equal = 0
  for (let i = 0; i < HASHES; i++) if (a[i] === b[i]) equal++
  return equal / HASHES
}

interface Buckets {
  /** What was added under keys that share a place with this one. */
  at(key: number): Iterable<number>
  add(key: number, index: number): void
}

function createBuckets(count: number): Buckets {
  const places = 2 ** Math.ceil(Math.log2(2 * count + 1))
  const heads = new Int32Array(places).fill(-1)
  const next = new Int32Array(count).fill(-1)
  return {
    *at(key) {
      for (let index = heads[key % places]; index >= 0; index = next[index]) yield index
    },
    add(key, index) {
      next[index] = heads[key % places]
      heads[key % places] = index
    },
  }
}

/** The finalizer of MurmurHash3. */
function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
