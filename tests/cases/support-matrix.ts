/**
 * Which device runs which op itself; where there is no implementation the TypeScript reference runs.
 */
import type { Device } from '../../core/mod.ts'
import * as ops from '../../core/ops/mod.ts'
import { isOp } from '../../testing/ops/wide-device.ts'

export interface SupportRow {
  readonly op: string
  /** By the kind of the device. */
  readonly devices: Readonly<Record<string, boolean>>
}

/** One row for each op, by name. */
export function supportMatrix(devices: readonly Device[]): SupportRow[] {
  const exported: readonly unknown[] = Object.values(ops)
  return exported
    .filter(isOp)
    .map((op) => ({
      op: op.name,
      devices: Object.fromEntries(
        devices.map((device) => [device.kind, device.implementationOf(op) !== undefined]),
      ),
    }))
    .toSorted((a, b) => (a.op < b.op ? -1 : 1))
}
