/**
 * Sends work on trit vectors the way that costs least by a calibration: sparse, dense, as a batch on the CPU, or on a GPU. Results are
 * the same on every path but for the form of the vectors: sparse ones come from the sparse path, packed ones from all others.
 */
import { defineDispatch, type Device, type GpuDispatchable, TrituneError } from '../../../core/mod.ts'
import { PATHS, type TritCalibration } from './calibration.ts'
import {
  expectWork,
  familyOf,
  HOST_ALGEBRAS,
  type TritPath,
  type TritResult,
  type TritWork,
  unitsOf,
  workOnDevice,
} from './trit-work.ts'

/** What a dispatcher goes by. */
export interface TritDispatchOptions {
  readonly calibration: TritCalibration
  /** The CPU device of the path `batch`. */
  readonly device: Device
  /** The device of the path `gpu`; without it nothing goes there. */
  readonly gpu?: Device
}

/** Where work goes, and why. */
export interface TritExplanation {
  readonly path: TritPath
  /** For people. */
  readonly why: string
  /** What each path would take, in seconds; null where it cannot be taken. */
  readonly seconds: Readonly<Record<TritPath, number | null>>
}

/** Work on trit vectors, sent where it costs least. */
export interface TritDispatch extends GpuDispatchable<TritWork, TritResult> {
  readonly calibration: TritCalibration
  /** Where `dispatch()` would send the work. */
  explain(work: TritWork): TritExplanation
}

/**
 * Makes a dispatcher. E_DEVICE for a `gpu` that is none, or that the calibration has not measured.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { calibrateTrits, createTritDispatch, sparseTrits } from 'tritune/plugins/ternary'
 *
 * const device = openCpu()
 * const dispatch = createTritDispatch({ calibration: calibrateTrits({ device, seconds: 0.001 }), device })
 * const [a, b] = [1, 2].map((seed) => sparseTrits.random({ dims: 1_000_000, seed, density: 1e-4 }))
 * console.log(dispatch.explain({ op: 'bind', a: [a], b: [b] }).path) // → sparse
 * const bound = dispatch.dispatch({ op: 'bind', a: [a], b: [b] })
 * ```
 */
export function createTritDispatch({ calibration, device, gpu }: TritDispatchOptions): TritDispatch {
  expectGpu(calibration, gpu)
  const devices: Readonly<Record<TritPath, Device | undefined>> = {
    sparse: device,
    dense: device,
    batch: device,
    gpu,
  }

  function explain(work: TritWork): TritExplanation {
    expectWork(work)
    const costs = calibration.costs[familyOf(work)]
    const seconds = Object.fromEntries(
      PATHS.map((path): [TritPath, number | null] => {
        const cost = devices[path] && canTake(work, path) ? costs[path] : undefined
        return [path, cost ? cost.call + cost.unit * unitsOf(work, path) : null]
      }),
    ) as Record<TritPath, number | null>
    return { path: cheapest(seconds, PATHS), why: reasons(work, seconds), seconds }
  }

  const onHost = (work: TritWork): TritResult => {
    const path = cheapest(explain(work).seconds, ['sparse', 'dense', 'batch'])
    return path === 'sparse' || path === 'dense' ? HOST_ALGEBRAS[path](work) : workOnDevice(device, work)
  }
  return {
    calibration,
    explain,
    ...defineDispatch<TritWork, TritResult>({
      name: 'work on trit vectors',
      deviceOf: (work) => devices[explain(work).path] ?? device,
      cpu: onHost,
      gpu: (work, there) => {
        expectWork(work)
        return workOnDevice(there, work)
      },
    }),
  }
}

/** Packed vectors would have to be searched for their places first, which costs as much as the dense path. */
function canTake(work: TritWork, path: TritPath): boolean {
  if (path !== 'sparse') return true
  const vectors = work.op === 'bundle' ? work.a : [...work.a, ...work.b]
  return vectors.every(({ kind }) => kind === 'sparse')
}

function cheapest(seconds: TritExplanation['seconds'], paths: readonly TritPath[]): TritPath {
  const cost = (path: TritPath): number => seconds[path] ?? Infinity
  return paths.reduce((best, path) => (cost(path) < cost(best) ? path : best), 'dense')
}

function reasons(work: TritWork, seconds: TritExplanation['seconds']): string {
  const { dims } = work.a[0]
  const count = work.op === 'bundle' ? `${work.a.length}` : `${work.a.length} and ${work.b.length}`
  const times = PATHS.map((path) => `${path} ${timeOf(path, seconds[path])}`)
  return `${work.op} of ${count} vectors of ${dims} dimensions: ${times.join(', ')}`
}

function timeOf(path: TritPath, seconds: number | null): string {
  if (seconds !== null) return `${(1e6 * seconds).toFixed(1)} µs`
  return path === 'sparse' ? 'not (there are packed vectors)' : 'not (no such device is known)'
}

function expectGpu({ costs }: TritCalibration, gpu: Device | undefined): void {
  if (gpu === undefined) return
  if (gpu.kind !== 'cuda') throw new TrituneError('E_DEVICE', `${gpu.name} is no GPU`)
  if (Object.values(costs).some(({ gpu: cost }) => cost === undefined))
    throw new TrituneError('E_DEVICE', `the calibration has not measured ${gpu.name}`, {
      remedy: 'give gpu to calibrateTrits()',
    })
}
