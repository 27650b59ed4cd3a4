/**
 * What a causal language model is to the trainer, the adapters and the generator.
 */
import type { Layer } from './layer.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A flat list of tokens: documents stand one after the other, there is no padding. */
export interface TokenBatch {
  /** (T) i32 */
  readonly ids: Tensor
  /** (T) i32, restarting at 0 in each document (after what a cache holds). */
  readonly positions: Tensor
  /** (documents + 1) i32: where each document starts, ending with T. */
  readonly offsets: Tensor
  /** One more than the largest position. */
  readonly positionCount: number
}

/** Keys and values of past tokens of one document. */
export interface KvCache extends Disposable {
  /** Tokens held. */
  readonly length: number
  readonly capacity: number
}

export interface ModelInfo {
  /** Hugging Face `model_type`. */
  readonly type: string
  /** Hugging Face class name: `LlamaForCausalLM`. */
  readonly architecture: string
  readonly hiddenSize: number
  readonly layerCount: number
  readonly vocabSize: number
  /** Longest sequence the model was made for. */
  readonly contextLength: number
  /** The config.json that it was built from. */
  readonly config: Readonly<Record<string, unknown>>
}

export interface Model extends Disposable {
  readonly info: ModelInfo
  /** Linear layers by module path: where adapters attach. The output head is in `head`, not here. */
  readonly layers: ReadonlyMap<string, Layer>
  /** All weights by their names in the checkpoint; tied weights once. */
  readonly weights: ReadonlyMap<string, Tensor>
  /** (V, C): the output projection (the embedding when tied), and the checkpoint path `lm_head`. */
  readonly head: Tensor
  /** Hidden states after the last norm: (T, C). `checkpointing` recomputes each block in the backward pass. */
  hidden(batch: TokenBatch, options?: { readonly cache?: KvCache; readonly checkpointing?: boolean }): Tensor
  createCache(capacity: number): KvCache
  /** Names of the parts in order, to say which layer first gave NaN: called with each hidden state when set. */
  probe: ((path: string, value: Tensor) => void) | null
}
