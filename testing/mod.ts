/**
 * `tritune/testing`: contract suites for parts that plugins provide.
 *
 * Each gives a list of named checks, for whatever test runner there is:
 *
 *   import { test } from 'bun:test' // or 'vitest', 'node:test'; Deno.test takes the same two arguments
 *   for (const { name, run } of adapterContract(mine)) test(name, run)
 *
 * or none: `console.log((await runContract(adapterContract(mine))).text)`.
 *
 * @module
 */
export { adapterContract, type AdapterContractOptions } from './adapter.ts'
export { type ContractCheck, ContractError } from './check.ts'
export type { OptionInput, OptionsToTry } from './contract-options.ts'
export { datasetContract, type DatasetContractOptions, type DatasetRow } from './dataset.ts'
export { deviceContract, type DeviceContractOptions, opContract, type OpContractOptions } from './device.ts'
export { type ContractDevice, NATIVE_DEVICES } from './devices.ts'
export { modelContract, type ModelContractOptions } from './model.ts'
export { monitorContract, type MonitorContractOptions } from './monitor.ts'
export { objectiveContract, type ObjectiveContractOptions } from './objective.ts'
export type { InputSpec, OpCase } from './ops/op-case.ts'
export { OP_CASES } from './ops/ops.ts'
export { optimizerContract, type OptimizerContractOptions, transformContract } from './optimizer.ts'
export { quantizerContract, type QuantizerContractOptions } from './quantizer.ts'
export { type ContractReport, runContract } from './run-contract.ts'
export { samplerContract, type SamplerContractOptions } from './sampler.ts'
export { strategyContract, type StrategyContractOptions } from './strategy.ts'
export { temporaryFolder, type TemporaryFolder } from './temporary-folder.ts'
