/**
 * Inputs of checkpointed blocks in a file: what is written last is read first, and the room is used again in the next micro-batch.
 */
import { openScratchFile } from '../../../core/files/scratch-file.ts'
import { empty, type StoredActivation, type Tensor } from '../../../core/mod.ts'
import type { OpenStore } from './open-store.ts'
import { fillTensor, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'

/** `path`: what errors call the file. */
export function storeInFile(path: string): OpenStore {
  const file = openScratchFile(
    path,
    'free some space, or name a folder of another disk: activation_offloading_dir',
  )
  let end = 0
  let waiting = 0
  const put = (tensor: Tensor): StoredActivation => {
    const { shape, dtype, device, bytes } = tensor
    const start = end
    let written = start
    for (const piece of tensorBytes(tensor)) {
      file.write(piece, written)
      written += piece.length
    }
    end = written
    waiting++
    return {
      take() {
        const back = empty(shape, { dtype, device })
        fillTensor(back, (piece, at) => file.read(piece, start + at))
        // What was written before it is wanted next: of a block, as many bytes for each of its two inputs.
        const next = Math.min(start, 2 * bytes)
        file.announce(start - next, next)
        return back
      },
      release() {
        if (--waiting === 0) end = 0
      },
    }
  }
  return { put, [Symbol.dispose]: () => file[Symbol.dispose]() }
}
