/**
 * `ops`: every op and function of core/ops on the CPU against the reference, with arguments that fit and that do not.
 */
import { openCpu } from '../../../plugins/cpu/mod.ts'
import type { Fuzzer } from '../fuzzer.ts'
import { runRow } from './run-row.ts'
import { smallDevice } from './small-device.ts'
import { fuzzRows } from './table.ts'

export function opsFuzzer(): Fuzzer {
  const rows = fuzzRows()
  const devices = [smallDevice(openCpu({ threads: 2 }))]
  return {
    run: (dice) => runRow(dice.pick(rows), dice.pick(devices), dice),
  }
}
