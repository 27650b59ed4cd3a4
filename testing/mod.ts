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
export { type ContractDevice, NATIVE_DEVICES } from './devices.ts'
export { type ContractReport, runContract } from './run-contract.ts'
export { temporaryFolder, type TemporaryFolder } from './temporary-folder.ts'
