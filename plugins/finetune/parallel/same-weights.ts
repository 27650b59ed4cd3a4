/**
 * Whether all processes still have the same weights: they should to the bit, since all add the same gradients to the same ones.
 */
import { createHash } from 'node:crypto'
import { type Parameters, TrituneError, type World } from '../../../core/mod.ts'
import { agree } from '../../../core/agree.ts'
import { tensorBytes } from '../../../core/tensor/tensor-bytes.ts'

/** E_PEER with the first process that has others than the first one. */
export function expectSameWeights(
  world: World,
  { parameters }: { readonly parameters: Parameters },
  step: number,
): void {
  const hashes = world.gather(hashOf(parameters))
  const odd = hashes.findIndex((hash) => hash !== hashes[0])
  if (odd < 0) return
  // All have come to this: nobody has to be told.
  agree(world, () => {
    throw new TrituneError(
      'E_PEER',
      `process ${odd} of ${world.size} has other weights than the first one at step ${step}`,
      {
        remedy: 'take machines of one kind: others can round differently; resume from the last checkpoint',
      },
    )
  })
}

function hashOf(parameters: Parameters): string {
  const hash = createHash('sha256')
  for (const tensor of parameters.values()) for (const piece of tensorBytes(tensor)) hash.update(piece)
  return hash.digest('hex')
}
