/**
 * A device that knows how long its ops took, to tell the work from what surrounds it and to say where a step's time goes.
 */
import type { ArrayInputs, ArrayOutputs } from '../../core/contracts/device.ts'
import type { Device, OpImplementation, OpKey } from '../../core/mod.ts'

export interface TimedDevice {
  readonly device: Device
  /** Seconds inside of native ops since the last call. */
  take(): number
  /** The same by the name of the op; `take()` and this one start again together. */
  takeByOp(): ReadonlyMap<string, number>
  /** Ops that fell to the TypeScript reference. */
  readonly reference: ReadonlySet<string>
}

/** Sees every call of a native op after it ran, outside of what is timed. */
export type CallWatcher = (op: string, inputs: ArrayInputs, outputs: ArrayOutputs) => void

export function timeDevice(inner: Device, watch: CallWatcher = () => {}): TimedDevice {
  const wrapped = new Map<OpKey, OpImplementation | undefined>()
  const reference = new Set<string>()
  let spent = new Map<string, number>()
  const timed = (name: string, body: () => void): void => {
    const started = performance.now()
    body()
    spent.set(name, (spent.get(name) ?? 0) + (performance.now() - started) / 1000)
  }
  const wrap = (op: OpKey): OpImplementation | undefined => {
    const implementation = inner.implementationOf(op)
    if (!implementation) {
      reference.add(op.name)
      return undefined
    }
    const { runMany } = implementation
    return {
      op,
      supports(inputs, params) {
        const answer = implementation.supports(inputs, params)
        if (answer !== true) reference.add(op.name)
        return answer
      },
      run(inputs, outputs, params) {
        timed(op.name, () => implementation.run(inputs, outputs, params))
        watch(op.name, inputs, outputs)
      },
      runMany:
        runMany &&
        ((calls) => {
          timed(op.name, () => runMany(calls))
          for (const { inputs, outputs } of calls) watch(op.name, inputs, outputs)
        }),
    }
  }
  const takeByOp = (): ReadonlyMap<string, number> => {
    const taken = spent
    spent = new Map()
    return taken
  }
  return {
    device: {
      ...inner,
      implementationOf(op) {
        if (!wrapped.has(op)) wrapped.set(op, wrap(op))
        return wrapped.get(op)
      },
    },
    reference,
    take: () =>
      takeByOp()
        .values()
        .reduce((sum, seconds) => sum + seconds, 0),
    takeByOp,
  }
}
