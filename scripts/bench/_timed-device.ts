/**
 * A device that knows how long its ops took, to tell the work from what surrounds it.
 */
import type { Device, OpImplementation, OpKey } from '../../core/mod.ts'

export interface TimedDevice {
  readonly device: Device
  /** Seconds inside of native ops since the last call. */
  take(): number
  /** Ops that fell to the TypeScript reference. */
  readonly reference: ReadonlySet<string>
}

export function timeDevice(inner: Device): TimedDevice {
  const wrapped = new Map<OpKey, OpImplementation | undefined>()
  const reference = new Set<string>()
  let total = 0
  const wrap = (op: OpKey): OpImplementation | undefined => {
    const implementation = inner.implementationOf(op)
    if (!implementation) {
      reference.add(op.name)
      return undefined
    }
    return {
      op,
      supports(inputs, params) {
        const answer = implementation.supports(inputs, params)
        if (answer !== true) reference.add(op.name)
        return answer
      },
      run(inputs, outputs, params) {
        const started = performance.now()
        implementation.run(inputs, outputs, params)
        total += performance.now() - started
      },
    }
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
    take() {
      const taken = total / 1000
      total = 0
      return taken
    },
  }
}
