/**
 * What each path costs on this machine: seconds of a call and of each unit, from two sizes that are measured. A calibration is a value
 * and plain JSON; nothing keeps it but who asked.
 */
import { availableParallelism, cpus } from 'node:os'
import { type Device, TrituneError } from '../../../core/mod.ts'
import { expectNumber } from '../../../core/tensor/expect.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { sparseTrits } from '../vectors/sparse-trits.ts'
import {
  HOST_ALGEBRAS,
  type TritFamily,
  type TritPath,
  type TritResult,
  type TritWork,
  unitsOf,
  workOnDevice,
} from './trit-work.ts'

/** The time of a path: `call` + `unit` · units, in seconds. A unit is a word of planes, or a place of a sparse vector. */
export interface PathCost {
  readonly call: number
  readonly unit: number
}

/** What was measured. `batch` and `gpu` are there where there was such a device. */
export interface TritCalibration {
  readonly version: 1
  /** Where: CPU, cores, devices. */
  readonly machine: string
  readonly costs: Readonly<Record<TritFamily, Readonly<Partial<Record<TritPath, PathCost>>>>>
}

/** Where `calibrateTrits()` measures. */
export interface CalibrateTritsOptions {
  /** The device of the path `batch`. */
  readonly device?: Device
  /** The device of the path `gpu`. */
  readonly gpu?: Device
  /** Seconds for each of some twenty measurements; default 0.02. */
  readonly seconds?: number
}

/** Dimensions and vectors of the two sizes. */
const SMALL = { dims: 256, vectors: 2 }
const LARGE = { dims: 16_384, vectors: 48 }
const SPARSE_DENSITY = 0.01

const FAMILIES: Readonly<Record<TritFamily, (a: readonly Vector[], b: readonly Vector[]) => TritWork>> = {
  combine: (a, b) => ({ op: 'bind', a, b }),
  bundle: (a) => ({ op: 'bundle', a }),
  similarity: (a, b) => ({ op: 'dot', a, b }),
}
type Vector = TritWork['a'][number]

/**
 * Measures the paths on this machine; it takes a second or so.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { calibrateTrits, readTritCalibration } from 'tritune/plugins/ternary'
 *
 * const calibration = calibrateTrits({ device: openCpu(), seconds: 0.001 })
 * const text = JSON.stringify(calibration) // to keep
 * console.log(readTritCalibration(JSON.parse(text)).machine === calibration.machine) // → true
 * ```
 */
export function calibrateTrits({ device, gpu, seconds = 0.02 }: CalibrateTritsOptions = {}): TritCalibration {
  expectNumber('calibrateTrits', 'seconds', seconds, { min: 0, above: true })
  const paths: Partial<Record<TritPath, (work: TritWork) => TritResult>> = {
    ...HOST_ALGEBRAS,
    ...(device ? { batch: (work) => workOnDevice(device, work) } : {}),
    ...(gpu ? { gpu: (work) => workOnDevice(gpu, work) } : {}),
  }
  const costsOf = (family: TritFamily): Partial<Record<TritPath, PathCost>> =>
    Object.fromEntries(
      PATHS.flatMap((path) => {
        const run = paths[path]
        return run ? [[path, costOf(family, path, run, seconds)]] : []
      }),
    )
  return {
    version: 1,
    machine: machineOf([device, gpu]),
    costs: { combine: costsOf('combine'), bundle: costsOf('bundle'), similarity: costsOf('similarity') },
  }
}

/**
 * A calibration from JSON that was kept. E_FORMAT for anything else.
 */
export function readTritCalibration(json: unknown): TritCalibration {
  const { version, machine, costs } = Object(json) as Partial<Record<keyof TritCalibration, unknown>>
  if (version !== 1 || typeof machine !== 'string') throw wrong('it must have the version 1 and a machine')
  return {
    version,
    machine,
    costs: {
      combine: readCosts(costs, 'combine'),
      bundle: readCosts(costs, 'bundle'),
      similarity: readCosts(costs, 'similarity'),
    },
  }
}

/** In the order in which ties are decided. */
export const PATHS: readonly TritPath[] = ['sparse', 'dense', 'batch', 'gpu']

// ---- helpers ----------------------------------------------------------------------------------------------------

function costOf(
  family: TritFamily,
  path: TritPath,
  run: (work: TritWork) => TritResult,
  seconds: number,
): PathCost {
  const [small, large] = [SMALL, LARGE].map((size) => {
    const work = workOf(family, path, size)
    return { time: secondsOf(() => run(work), seconds), units: unitsOf(work, path) }
  })
  const unit = Math.max(0, (large.time - small.time) / (large.units - small.units))
  return { call: Math.max(0, small.time - unit * small.units), unit }
}

function workOf(family: TritFamily, path: TritPath, { dims, vectors }: typeof SMALL): TritWork {
  const [a, b] = ['a', 'b'].map((stream) =>
    Array.from({ length: vectors }, (_, seed) =>
      path === 'sparse'
        ? sparseTrits.random({ dims, seed, stream, density: SPARSE_DENSITY })
        : packedTrits.random({ dims, seed, stream }),
    ),
  )
  return FAMILIES[family](a, b)
}

/** The fastest of the runs that fit into the time, of at least three. */
function secondsOf(work: () => unknown, budget: number): number {
  let best = Infinity
  const until = performance.now() + 1000 * budget
  for (let i = 0; i < 3 || performance.now() < until; i++) {
    const from = performance.now()
    work()
    best = Math.min(best, (performance.now() - from) / 1000)
  }
  return best
}

function machineOf(devices: readonly (Device | undefined)[]): string {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU'
  return [
    `${cpu}, ${availableParallelism()} cores`,
    ...devices.flatMap((one) => (one ? [one.description] : [])),
  ].join('; ')
}

function readCosts(costs: unknown, family: TritFamily): Partial<Record<TritPath, PathCost>> {
  const given: Partial<Record<TritPath, unknown>> = Object(Object(costs)[family])
  return Object.fromEntries(
    PATHS.flatMap((path) => {
      const cost = given[path]
      if (cost === undefined) {
        if (path === 'sparse' || path === 'dense') throw wrong(`costs.${family}.${path} is missing`)
        return []
      }
      const { call, unit } = Object(cost) as Partial<Record<keyof PathCost, unknown>>
      if (!isSeconds(call) || !isSeconds(unit))
        throw wrong(`costs.${family}.${path} must have call and unit, in seconds from 0`)
      return [[path, { call, unit }]]
    }),
  )
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function wrong(what: string): TrituneError {
  return new TrituneError('E_FORMAT', `this is no calibration: ${what}`, {
    remedy: 'measure again with calibrateTrits()',
  })
}
