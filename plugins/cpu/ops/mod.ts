/**
 * Every op that a native library runs. libtritune_cpu and libtritune_cuda have the same symbols, so both devices use
 * this table.
 */
import type { OpImplementation } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import type { NativeFamily } from './_arguments.ts'
import { accumulateOps } from './accumulate.ts'
import { attentionOps } from './attention.ts'
import { elementwiseOps } from './elementwise.ts'
import { linearOps } from './linear.ts'
import { movementOps } from './movement.ts'
import { normOps } from './norm.ts'
import { optimizerOps } from './optimizer.ts'
import { quantizedOps } from './quantized.ts'
import { reductionOps } from './reduction.ts'
import { vsaOps } from './vsa.ts'

/** The implementations of all ops by the functions of one native library, for a device to look up. */
export function nativeOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    accumulateOps,
    attentionOps,
    elementwiseOps,
    linearOps,
    movementOps,
    normOps,
    optimizerOps,
    quantizedOps,
    reductionOps,
    vsaOps,
  ].flatMap((family: NativeFamily) => family(native))
}
