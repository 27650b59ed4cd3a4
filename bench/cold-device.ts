/**
 * A device that gives memory back late, so that what an op writes is not in a cache from the run before: the pool would hand out
 * the same memory each time.
 */
import type { Device } from '../core/mod.ts'

export interface ColdDevice {
  readonly device: Device
  /** Gives back everything that waits. */
  flush(): void
}

/** What is freed waits until as many bytes as `wait` were freed after it. */
export function coldDevice(inner: Device, wait: number): ColdDevice {
  const waiting: { readonly bytes: number; free(): void }[] = []
  let held = 0
  const shrink = (limit: number): void => {
    let count = 0
    for (; held > limit && count < waiting.length; count++) {
      held -= waiting[count].bytes
      waiting[count].free()
    }
    waiting.splice(0, count)
  }
  return {
    device: {
      ...inner,
      allocate(bytes) {
        const { address, host, free } = inner.allocate(bytes)
        return {
          address,
          host,
          free() {
            waiting.push({ bytes, free })
            held += bytes
            shrink(wait)
          },
        }
      },
    },
    flush: () => shrink(-1),
  }
}
