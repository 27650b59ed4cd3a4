/**
 * What the checks of the model suite open models with.
 */
import type { Device, Model } from '../core/mod.ts'
import type { TinyOptions } from './tiny-model.ts'

export interface ModelSettings {
  readonly name: string
  readonly device: Device
  readonly wholeModelAdapters: boolean
  open(options?: Partial<TinyOptions>): Model
}
