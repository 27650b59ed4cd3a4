/**
 * The CPU keeps the contract of devices, and cases of the op table that of ops. All of the table, device by device:
 * tests/core/op-devices.test.ts and tests/cuda/ops.test.ts.
 */
import { describe, test } from 'bun:test'
import { cpu } from '../../plugins/cpu/mod.ts'
import { deviceContract, OP_CASES, opContract } from '../../testing/mod.ts'

describe('the CPU', () => {
  for (const { name, run } of deviceContract(cpu.provides.device.cpu, {
    cases: OP_CASES.filter((_, i) => i % 4 === 0),
  }))
    test(name, run)
})

describe('ops', () => {
  for (const { name, run } of opContract(OP_CASES.filter((_, i) => i % 10 === 0))) test(name, run)
})
