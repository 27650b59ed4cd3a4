/**
 * Inputs of checkpointed blocks in the memory of the host, for devices that have one of their own.
 */
import { empty, TrituneError } from '../../../core/mod.ts'
import type { OpenStore } from './open-store.ts'
import { fillTensor, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'

/** There is nothing to close: all of it goes with what is put into it. */
export function storeInMemory(): OpenStore {
  return {
    put(tensor) {
      const { shape, dtype, device } = tensor
      let bytes: Uint8Array | null = hostBytes(tensor.bytes)
      let written = 0
      for (const piece of tensorBytes(tensor)) {
        bytes.set(piece, written)
        written += piece.length
      }
      return {
        take() {
          const back = empty(shape, { dtype, device })
          fillTensor(back, (piece, start) => {
            if (bytes) piece.set(bytes.subarray(start, start + piece.length))
          })
          return back
        },
        release() {
          bytes = null
        },
      }
    },
    [Symbol.dispose]() {},
  }
}

function hostBytes(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    throw new TrituneError('E_MEMORY', `the host has no ${bytes} bytes left for activations`, {
      remedy: 'activation_offloading: disk, or a smaller micro_batch_size',
      cause,
    })
  }
}
