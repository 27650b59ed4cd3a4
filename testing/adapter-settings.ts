/**
 * The options of the adapter suite with their defaults.
 */
import type { Device } from '../core/mod.ts'
import type { RigOptions } from './adapter-rig.ts'
import type { ContractDevice } from './devices.ts'

export interface AdapterSettings {
  readonly rig: RigOptions
  readonly identity: boolean
  readonly merges: boolean
  readonly packed: boolean
  readonly straightThrough: readonly string[]
  readonly devices: readonly ContractDevice[]
  /** The quick one, for checks that need no oracle. */
  readonly device: Device
}
