/**
 * A device like a GPU for the TypeScript side: its memory cannot be looked into from here, only copied, and it counts what
 * a GPU would have to be waited for. Underneath is the CPU, so every op is there and quick.
 */
import { type Device, type OpImplementation, type OpKey, TrituneError } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'

export interface HostlessDevice extends Device {
  /** Calls so far for which a GPU is waited for. */
  readonly waits: number
}

/** What every native library does by itself: its answer goes to the host. */
const WAITING_OPS = new Set(['find_nonfinite'])

/** `limit`: bytes that it has. */
export function createHostlessDevice(
  inner: Device = openCpu({ threads: 2 }),
  { limit = Infinity }: { readonly limit?: number } = {},
): HostlessDevice {
  let waits = 0
  let used = 0
  const counted = new Map<OpKey, OpImplementation | undefined>()
  const { mapFile, copy, read } = inner
  if (!copy || !read) throw new Error(`${inner.name} cannot copy`)
  return {
    ...inner,
    name: 'hostless',
    kind: 'cuda',
    get waits() {
      return waits
    },
    allocate(bytes) {
      if (used + bytes > limit) throw new TrituneError('E_MEMORY', `no ${bytes} bytes on the GPU`)
      const { address, free } = inner.allocate(bytes)
      used += bytes
      return {
        address,
        host: null,
        free() {
          used -= bytes
          free()
        },
      }
    },
    mapFile: undefined,
    openFile:
      mapFile &&
      ((path) => {
        const { address, bytes, free } = mapFile(path)
        return { bytes, copyTo: (to, offset, count) => copy(to, address + offset, count), free }
      }),
    read(address, bytes) {
      waits++
      return read(address, bytes).slice()
    },
    synchronize() {
      waits++
    },
    implementationOf(op) {
      if (!WAITING_OPS.has(op.name)) return inner.implementationOf(op)
      if (!counted.has(op))
        counted.set(
          op,
          counting(inner.implementationOf(op), () => waits++),
        )
      return counted.get(op)
    },
  }
}

function counting(
  implementation: OpImplementation | undefined,
  count: () => void,
): OpImplementation | undefined {
  return (
    implementation && {
      ...implementation,
      run(inputs, outputs, params) {
        count()
        implementation.run(inputs, outputs, params)
      },
    }
  )
}
