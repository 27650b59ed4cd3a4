/**
 * What an adapter of somebody else says that it trains.
 */
import { Tensor, TrituneError } from '../../../core/mod.ts'
import { showKind } from '../../../core/tensor/expect.ts'

/** E_PLUGIN where `parameters()` gives anything but an object of tensors. */
export function expectParameters(name: string, parameters: unknown): void {
  if (!isRecord(parameters))
    throw new TrituneError('E_PLUGIN', `${name}: parameters() gives ${showKind(parameters)}`, {
      remedy: 'give an object of tensors by name: { shift }',
    })
  for (const [key, value] of Object.entries(parameters))
    if (!(value instanceof Tensor))
      throw new TrituneError(
        'E_PLUGIN',
        `${name}: parameters() has ${key}, which is no tensor, but ${showKind(value)}`,
        {
          remedy: 'adopt(null) gives nothing back: make the tensor first, then adopt it',
        },
      )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !(value instanceof Map) && !Array.isArray(value)
}
