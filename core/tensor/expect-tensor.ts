/**
 * That an argument is a tensor, and of this copy of tritune: what ops ask before they read its shape.
 */
import { expectSameCore } from '../copies.ts'
import { TrituneError } from '../errors.ts'
import { showKind } from './expect.ts'
import { Tensor } from './tensor.ts'

/** Throws E_SHAPE unless `value` is a tensor, E_PLUGIN for one of a second copy of tritune; `op` and `name` say where. */
export function expectTensor(op: string, name: string, value: unknown): void {
  if (value instanceof Tensor) return
  const subject = `${op}: input ${name}`
  if (typeof value === 'object' && value !== null) expectSameCore(subject, value)
  throw new TrituneError('E_SHAPE', `${subject} is not a tensor, but ${showKind(value)}`)
}
