/**
 * The contract of an adapter: `adapterContract(definition)` gives its checks.
 *
 *   for (const { name, run } of adapterContract(vectorScale)) test(name, run)
 */
import { type AnyAdapterDefinition, referenceDevice } from '../core/mod.ts'
import { fileChecks } from './adapter-files.ts'
import { mergeChecks } from './adapter-merge.ts'
import { defaultTargets, type RigOptions } from './adapter-rig.ts'
import { runChecks } from './adapter-runs.ts'
import { gradientChecks } from './adapter-slopes.ts'
import type { ContractCheck } from './check.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import type { AdapterSettings } from './adapter-settings.ts'
import { type ContractDevice, NATIVE_DEVICES, quickDevice } from './devices.ts'

/** Options of `adapterContract()`: what the adapter promises, where it is not the usual. */
export interface AdapterContractOptions extends OptionsToTry {
  /** Layers of a llama that it is tried on, as endings of their names; default: two of each block, of a kind that it takes. */
  readonly targetModules?: readonly string[] | 'all-linear'
  /** A fresh one leaves the model as it was. Default: true, but for an adapter of the whole model. */
  readonly identity?: boolean
  /** It can be folded into weights. Default: true, but for an adapter of the whole model. */
  readonly merges?: boolean
  /** It works on packed weights. Default: true where it takes linear layers. */
  readonly packed?: boolean
  /** Endings of parameters that are rounded, or held still, on the way: their gradient is not the slope. */
  readonly straightThrough?: readonly string[]
  /** With which its loss falls in 12 steps; default: 0.05. */
  readonly learningRate?: number
  /** Where its results are compared with the reference; default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
}

/**
 * Checks of what docs/plugins.md promises of an adapter. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { adapterContract, runContract } from 'tritune/testing'
 * import { vectorScale } from './vector-scale.ts'
 *
 * const { failed, text } = await runContract(adapterContract(vectorScale, { devices: [] }))
 * console.log(failed.length === 0 ? 'kept' : text) // → kept
 * ```
 */
export function adapterContract(
  definition: AnyAdapterDefinition,
  options: AdapterContractOptions = {},
): ContractCheck[] {
  const isWhole = 'createForModel' in definition
  const kinds = isWhole ? [] : (definition.kinds ?? ['linear'])
  const rig: RigOptions = {
    definition,
    options: options.options ?? {},
    targetModules: options.targetModules ?? defaultTargets(definition),
    learningRate: options.learningRate ?? 0.05,
  }
  const settings: AdapterSettings = {
    rig,
    identity: options.identity ?? !isWhole,
    merges: options.merges ?? !isWhole,
    packed: options.packed ?? kinds.includes('linear'),
    straightThrough: options.straightThrough ?? [],
    devices: options.devices ?? NATIVE_DEVICES,
    device: quickDevice(referenceDevice),
  }
  return [
    ...optionChecks(definition, options),
    ...gradientChecks(settings),
    ...mergeChecks(settings),
    ...fileChecks(settings),
    ...runChecks(settings),
  ]
}
