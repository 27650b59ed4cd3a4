/**
 * Every op that a native library runs. libtritune_cpu and libtritune_cuda have the same symbols, so both devices use
 * this table.
 */
import type { OpImplementation } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/library.ts'
import { accumulateOps } from './accumulate.ts'
import { normOps } from './norm.ts'

export function nativeOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [...accumulateOps(native), ...normOps(native)]
}
