/**
 * What a block format of ggml does: numbers to blocks and back. Whole blocks only; lengths are checked by who calls.
 */

/** Layouts and arithmetic are ggml's, so that llama.cpp reads the same numbers. */
export interface BlockFormat {
  /** Blocks → numbers. */
  decode(bytes: Uint8Array, out: Float32Array): void
  /** Finite numbers → blocks. Every byte of `out` is written. */
  encode(values: Float32Array, out: Uint8Array): void
}
