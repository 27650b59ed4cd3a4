/**
 * The files of a finished AdaLoRA, as PEFT writes them: rows of A and E and columns of B that are left, and which those are.
 */
import { type FinishedForm, tensor, type Tensor } from '../../../core/mod.ts'

/** One layer. */
export interface TrimmedLayer {
  readonly path: string
  readonly a: Tensor
  readonly b: Tensor
  readonly e: Tensor
  /** Which of the directions at the start it was made with. */
  readonly before: readonly boolean[] | undefined
}

/** `left`: 1 for a direction that stays, layer after layer. Null: all of them do, and did. */
export function trimmed(layers: readonly TrimmedLayer[], left: Float32Array): FinishedForm | null {
  if (left.every((one) => one !== 0) && layers.every(({ before }) => !before)) return null
  const tensors: Record<string, Tensor>[] = []
  const pattern: Record<string, boolean[]> = {}
  let at = 0
  for (const { path, a, b, e, before } of layers) {
    const [rank, inputs] = a.shape
    const [outputs] = b.shape
    const stays = [...left.subarray(at, at + rank)].map((one) => one !== 0)
    at += rank
    const rows = stays.flatMap((one, i) => (one ? [i] : []))
    const [fromA, fromB, fromE] = [a.toArray(), b.toArray(), e.toArray()]
    const take = (values: number[] | Float32Array, shape: readonly number[]): Tensor => {
      const made = tensor(values, { shape })
      made.adopt(null)
      return made
    }
    const ofA = new Float32Array(rows.length * inputs)
    for (const [to, row] of rows.entries())
      ofA.set(fromA.subarray(row * inputs, (row + 1) * inputs), to * inputs)
    const ofB = Float32Array.from({ length: outputs * rows.length }, (_, i) => {
      const [output, column] = [Math.floor(i / rows.length), i % rows.length]
      return fromB[output * rank + rows[column]]
    })
    tensors.push({
      lora_A: take(ofA, [rows.length, inputs]),
      lora_B: take(ofB, [outputs, rows.length]),
      lora_E: take(
        rows.map((row) => fromE[row]),
        [rows.length, 1],
      ),
    })
    const queue = [...stays]
    pattern[`${path}.lora_E`] = before ? before.map((one) => one && queue.shift() === true) : stays
  }
  return { tensors, fields: { rank_pattern: pattern } }
}
