/**
 * The BitNet that llama.cpp is asked about: the same bytes in the script that asks it (bitnet_gguf.ts) and in the test.
 */
import { join } from 'node:path'
import { type Device, headLogits, noGrad, tensorScope } from '../../core/mod.ts'
import { absMean } from '../../plugins/bitnet/mod.ts'
import { exportModel } from '../../plugins/export/mod.ts'
import { saveQuantized } from '../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../plugins/models/mod.ts'
import { packLayers } from '../../plugins/qlora/mod.ts'
import { writeTinyModel } from '../_tiny.ts'

export const TYPES = ['tq1_0', 'tq2_0'] as const
export const IDS: readonly number[] = [3, 1, 4, 1, 5, 9, 2, 6]
/** Of each token so many logits are kept. */
export const KEPT = 48

/** A packed BitNet checkpoint whose rows are whole blocks of 256, and its GGUF files. */
export async function writeBitnetGguf(folder: string): Promise<{ packed: string; files: string[] }> {
  const [plain, packed] = [join(folder, 'plain'), join(folder, 'packed')]
  writeTinyModel(plain, {
    hidden_size: 256,
    intermediate_size: 512,
    head_dim: 64,
    tie_word_embeddings: false,
  })
  {
    using model = loadModel(plain, { pack: packLayers(absMean(), 'f32') })
    saveQuantized(model, plain, packed)
  }
  const files = TYPES.map((type) => join(folder, `${type}.gguf`))
  for (const [i, type] of TYPES.entries()) await exportModel(packed, { to: 'gguf', output: files[i], type })
  return { packed, files }
}

/** The kept logits of each token. */
export function keptLogits(logits: ArrayLike<number>): number[] {
  const width = logits.length / IDS.length
  return IDS.flatMap((_, row) => Array.from({ length: KEPT }, (_, i) => logits[row * width + i]))
}

export function logitsOf(path: string, device: Device): number[] {
  using model = loadModel(path, { device, dtype: 'f32' })
  using _scope = tensorScope()
  return keptLogits(
    noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids: IDS }, device)))).toArray(),
  )
}
