/**
 * The gradients and the losses of a window whose micro-batches lie on several processes, added up over all of them.
 */
import {
  type FlatGradients,
  type Parameters,
  type Tensor,
  TrituneError,
  type World,
} from '../../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { agree } from '../../../core/agree.ts'
import { exactJson, fromExactJson } from '../../../core/exact-json.ts'
import { nanElsewhere } from './nan-of-all.ts'

/** The loss of a window, and what the objective reports beside, by name. */
export interface WindowNumbers {
  readonly loss: number
  readonly log: Readonly<Record<string, number>>
}

/** Whether this process works on micro-batch `index` of a window. */
export function isOwn(world: Pick<World, 'rank' | 'size'> | null, index: number): boolean {
  return world === null || index % world.size === world.rank
}

/** Whether this process works on as many of `count` micro-batches as the one that has most. */
export function hasEqualShare(world: Pick<World, 'rank' | 'size'> | null, count: number): boolean {
  return world === null || count % world.size === 0 || world.rank < count % world.size
}

/** The numbers of all processes together. `read` may throw, which ends all of them; E_NAN is thrown by all. */
export function shareNumbers(world: World, read: () => WindowNumbers): WindowNumbers {
  const own = agree(world, () => withoutNaN(read))
  const all = world
    .gather(exactJson(own instanceof TrituneError ? null : own))
    .map((text) => fromExactJson<WindowNumbers | null>(text))
  if (own instanceof TrituneError) throw own
  const there = all.filter((numbers) => numbers !== null)
  if (there.length < all.length) throw nanElsewhere(all.indexOf(null))
  const log: Record<string, number> = {}
  for (const numbers of there)
    for (const [name, value] of Object.entries(numbers.log)) log[name] = (log[name] ?? 0) + value
  return { loss: there.reduce((sum, { loss }) => sum + loss, 0), log }
}

/** Every gradient as the sum over all processes. */
export function shareGradients(world: World, parameters: Parameters, flat: FlatGradients | null): void {
  if (flat) sumTensor(world, flat.all)
  // A gradient transform can have put others in their place.
  for (const [name, { grad }] of parameters) {
    if (grad && grad.storage === flat?.all.storage) continue
    if (grad) sumTensor(world, grad)
    else if (flat === null) throw missing(name)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** E_NAN as a value. */
function withoutNaN(read: () => WindowNumbers): WindowNumbers | TrituneError {
  try {
    return read()
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN') return error
    throw error
  }
}

function sumTensor(world: World, tensor: Tensor): void {
  if (tensor.dtype !== 'f32')
    throw new TrituneError('E_DTYPE', `gradients are f32, this one is ${tensor.dtype}`)
  const { host } = tensor.storage
  if (host) return world.sum(new Float32Array(host, tensor.offset, tensor.size))
  const onDevice = world.onDevice(tensor.device)
  if (onDevice) return onDevice.sum(tensor)
  // Without NCCL the memory of a GPU goes through the host.
  const values = new Float32Array(tensor.size)
  const bytes = new Uint8Array(values.buffer)
  let start = 0
  for (const piece of tensorBytes(tensor)) {
    bytes.set(piece, start)
    start += piece.length
  }
  world.sum(values)
  setTensorBytes(tensor, bytes)
}

function missing(name: string): TrituneError {
  return new TrituneError('E_UNSUPPORTED', `the gradient of ${name} is not there on this process`, {
    remedy: 'train all weights on one device',
  })
}
