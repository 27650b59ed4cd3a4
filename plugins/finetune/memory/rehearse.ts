/**
 * A run without its weights and without its work: everything is opened on a `shapeDevice()`, one step of the longest micro-batch runs there, and the peak is
 * what the real run takes. Of the base model only headers are read.
 */
import type { Device } from '../../../core/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { openRun } from '../open-run.ts'
import type { Run } from '../run.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import type { Rehearsal } from './memory-parts.ts'
import { onShapes, rehearsed } from './rehearse-step.ts'
import { shapeDevice } from './shape-device.ts'

/** Which device a run is rehearsed for. */
export interface RehearsedDevice extends Pick<Device, 'name' | 'capacity'> {
  readonly kind: 'cpu' | 'cuda'
}

/** Options of `rehearseRun`. */
export interface RehearseOptions extends Omit<PrepareOptions, 'device'> {
  readonly device: RehearsedDevice
  /** Told of the run before its step: what else is to be known of it. */
  readonly onRun?: (run: Run) => void
}

/** Throws as `prepareRun()`; `micro_batch_size: auto` counts as it stands in `config`. */
export async function rehearseRun(
  config: FinetuneConfig,
  { device: { kind, name, capacity }, onRun, ...options }: RehearseOptions,
): Promise<Rehearsal> {
  const device = shapeDevice({ kind, name })
  using run = await openRun(onShapes(config), { ...options, device, weights: 'headers' })
  onRun?.(run)
  return rehearsed(run, config, { device, capacity, programBytes: () => process.memoryUsage().rss })
}
