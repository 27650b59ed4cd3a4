/**
 * `activation_offloading:` of a run: where the inputs of checkpointed blocks wait for the backward pass. `true` is the memory of the host where the
 * device has one of its own (a GPU), else a file, as on the CPU there is no other memory; `disk` is a file everywhere. The same bits in all cases.
 */
import { join } from 'node:path'
import { expectSpace } from '../../../core/files/free-space.ts'
import { offloadedBytes } from './estimate.ts'
import { formatBytes } from '../reports/format.ts'
import type { Run } from '../run.ts'
import type { OpenStore } from './open-store.ts'
import { storeInFile } from './store-in-file.ts'
import { storeInMemory } from './store-in-memory.ts'

type Offloading = Pick<Run, 'config' | 'device'>

/** Name that errors give the file; there is none in the folder. */
const FILE = 'activations.scratch'

export type OffloadPlace = 'device' | 'memory' | 'file'

export function offloadPlace({ config, device }: Offloading): OffloadPlace {
  const { activation_offloading: asked } = config
  if (asked === false) return 'device'
  return asked === 'disk' || device.kind !== 'cuda' ? 'file' : 'memory'
}

/** Opens it; null: they stay on the device. Throws E_DISK when the disk has less room than the estimate asks for. */
export function openActivationStore(run: Run): OpenStore | null {
  const place = offloadPlace(run)
  if (place === 'device') return null
  if (place === 'memory') return storeInMemory()
  const folder = folderOf(run)
  expectSpace(folder, offloadedBytes(run), {
    what: 'activation_offloading',
    remedy: 'free some space, or name a folder of another disk: activation_offloading_dir',
  })
  return storeInFile(join(folder, FILE))
}

/** For the summary: how much goes where; empty when nothing does. */
export function describeOffloading(run: Run): string {
  const place = offloadPlace(run)
  if (place === 'device') return ''
  const where = place === 'memory' ? 'the memory of the host' : `a file in ${folderOf(run)}`
  return `; ${formatBytes(offloadedBytes(run))} of activations go to ${where}`
}

function folderOf({ config }: Offloading): string {
  return config.activation_offloading_dir ?? config.output_dir
}
