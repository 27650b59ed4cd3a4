/**
 * Adapter: a parameter-efficient change to one frozen layer. ModelAdapter: one to a whole model, which stands before the text.
 */
import type { Tensor } from '../tensor/tensor.ts'
import type { BaseLayer } from './base-layer.ts'

/**
 * What an adapter definition puts on one layer: its forward pass, its trained tensors, and how it folds into the
 * weight. The tensors that it makes are its own: freed with it, and kept in f32 whatever the base is.
 */
export interface Adapter extends Disposable {
  /** `lora`, … */
  readonly kind: string
  /**
   * What the layer and the change give together, so that they can be fused: x (…, in) → (…, out); of an embedding
   * ids (T) i32 → (T, out). A norm has none.
   */
  forward(x: Tensor, base: BaseLayer): Tensor
  /**
   * What forward adds to the base layer alone, where that can be had without it. Only for several adapters on one layer:
   * a small change survives bf16 then.
   */
  delta?(x: Tensor, base: BaseLayer): Tensor
  /** Tensors of its file (f32), named as PEFT names them after the module path: `lora_A.weight`. `parameter()`s are trained. */
  parameters(): Readonly<Record<string, Tensor>>
  /**
   * Where the adapter is another weight in the place of the layer's and nothing besides: that weight and bias, on the tape and in the dtype
   * of the layer. The loss of a head stays fused with it, and a norm asks for nothing else.
   */
  replacement?(base: BaseLayer): { readonly weight: Tensor; readonly bias: Tensor | null }
  /**
   * The adapter of another layer with the same weight, whose change to that weight this one makes too: merged, the two layers still have one
   * weight.
   */
  readonly sameAs?: Adapter
  /** Where its file has other tensors than `parameters()`: how one becomes the other. */
  readonly stored?: StoredForm
  /** A new weight, of the shape and dtype of `weight`, with the change folded in. Without it the adapter cannot be merged. */
  merge?(weight: Tensor): Tensor
  /** The inverse of merge. */
  unmerge?(weight: Tensor): Tensor
  /** Where the change reaches the bias: a new one. */
  mergeBias?(bias: Tensor): Tensor
}

/**
 * The tensors of an adapter's file, made from those that are trained, and back: PiSSA is trained as two factors of rank r and
 * stored as a LoRA of rank 2r.
 */
export interface StoredForm {
  /** New tensors (f32) under PEFT's names; the caller frees them. */
  make(): Readonly<Record<string, Tensor>>
  /** Takes what `make()` gave, to the same bits. */
  take(tensors: Readonly<Record<string, Tensor>>): void
}

/**
 * An adapter of the whole model: tokens or keys and values that stand before every document (prompt tuning, arXiv
 * 2104.08691; prefix tuning, arXiv 2101.00190). It changes no layer and cannot be merged.
 */
export interface ModelAdapter extends Disposable {
  readonly kind: string
  /** Positions that it takes before every document. */
  readonly length: number
  /** As of an Adapter; their names stand alone in the file: `prompt_embeddings`. */
  parameters(): Readonly<Record<string, Tensor>>
  /**
   * Where the file holds what an encoder makes, and not what is trained: the `parameter()`s of the encoder. Checkpoints keep them; those of
   * `parameters()` are then not trained.
   */
  encoder?(): Readonly<Record<string, Tensor>>
  /** Puts what the encoder makes into the tensors of `parameters()`: asked for before they are read. */
  encode?(): void
  /** (length, hidden): stand before every document as if they were embeddings of its first tokens. */
  virtualTokens?(): Tensor
  /**
   * Keys and values that stand before those of every document in block `block`, (length, key-value heads, head size) each.
   * Asked for inside of each block, and again in the backward pass when that recomputes.
   */
  prefix?(block: number): KeyValuePrefix
}

/**
 * What a prefix puts before the text in one block: keys and values, each (length, key-value heads, head size), in the
 * compute dtype.
 */
export interface KeyValuePrefix {
  readonly k: Tensor
  readonly v: Tensor
}

/** An adapter under its name, and how much of it counts. */
export interface AdapterSlot<A extends Adapter | ModelAdapter> {
  /** The same in every slot of one adapter. */
  name: string
  readonly adapter: A
  /** 0: off; 1: on; anything else scales the change. */
  weight: number
}
