/**
 * A system that no library is made for, as far as tritune looks: says what is opened there; for no-library.test.ts.
 */
import process from 'node:process'

Object.defineProperty(process, 'platform', { value: 'freebsd' })
const { TrituneError } = await import('../../core/errors.ts')
const { openCpu, openCpuOrReference } = await import('../../plugins/cpu/mod.ts')
const { openCuda, openDevice } = await import('../../plugins/cuda/mod.ts')

function failure(open: () => unknown): string {
  try {
    open()
    return 'nothing'
  } catch (error) {
    return error instanceof TrituneError ? `${error.code} ${error.message}` : String(error)
  }
}

const { device, note } = openCpuOrReference()
const auto = openDevice('auto')
console.log(
  JSON.stringify({
    fallback: device.name,
    note,
    auto: { device: auto.device.name, note: auto.note, reason: auto.reason },
    cpu: failure(() => openCpu()),
    cuda: failure(() => openCuda()),
  }),
)
process.exit(0)
