/**
 * Where the state of a paged optimizer lies: in a file on the disk of `output_dir`, on the CPU. On a GPU, and where files cannot be mapped, it stays on the
 * device, which a note says.
 */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { openPagedMemory, type PagedMemory } from '../../../core/files/paged-memory.ts'
import type { Device } from '../../../core/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'

/** Name that errors give the file; there is none in the folder. */
const FILE = 'optimizer.scratch'

export interface OptimizerPages {
  /** null: the state stays on the device. */
  readonly pages: PagedMemory | null
  readonly notes: readonly string[]
}

/** Writes nothing before it is allocated, and makes no folder. */
export function optimizerPages(config: FinetuneConfig, device: Device): OptimizerPages {
  if (!config.pagedOptimizer) return { pages: null, notes: [] }
  const pages =
    device.kind === 'cpu'
      ? openPagedMemory(
          join(existing(config.output_dir), FILE),
          `free some space, set output_dir to a folder of another disk, or optimizer: ${config.optimizer}`,
        )
      : null
  const why = device.kind === 'cpu' ? 'on this system' : `on ${device.name}`
  return {
    pages,
    notes: pages ? [] : [`optimizer: ${config.optimizer} is not paged ${why}: its state stays on the device`],
  }
}

/** A dry run leaves no folder behind. */
function existing(folder: string): string {
  let path = resolve(folder)
  while (!existsSync(path)) path = dirname(path)
  return path
}
