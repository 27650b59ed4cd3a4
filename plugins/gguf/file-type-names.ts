/**
 * The file types that can be written: their names, their numbers (`llama_ftype`), and the type that most tensors get. What else of a
 * tensor decides is in file-types.ts.
 */

/** The file types that can be written. */
export type GgufFileTypeName = keyof typeof FILE_TYPE_IDS

export const FILE_TYPE_IDS = {
  f32: [0, 'F32'],
  f16: [1, 'F16'],
  bf16: [32, 'BF16'],
  q8_0: [7, 'Q8_0'],
  q6_k: [18, 'Q6_K'],
  q5_k_m: [17, 'Q5_K'],
  q5_k_s: [16, 'Q5_K'],
  q5_1: [9, 'Q5_1'],
  q5_0: [8, 'Q5_0'],
  q4_k_m: [15, 'Q4_K'],
  q4_k_s: [14, 'Q4_K'],
  q4_1: [3, 'Q4_1'],
  q4_0: [2, 'Q4_0'],
  tq2_0: [37, 'TQ2_0'],
  tq1_0: [36, 'TQ1_0'],
} as const

/** Names of the file types, the largest first. */
export const GGUF_FILE_TYPES: readonly GgufFileTypeName[] = Object.keys(FILE_TYPE_IDS).filter(isFileType)

export function isFileType(name: string): name is GgufFileTypeName {
  return Object.hasOwn(FILE_TYPE_IDS, name)
}
