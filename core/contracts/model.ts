/**
 * What a causal language model is to the trainer, the adapters and the generator.
 */
import type { AdapterSlot, ModelAdapter } from './adapter.ts'
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
  /** The same again, for the host; without ids where nobody asked for them. */
  readonly host: {
    readonly positions: ArrayLike<number>
    readonly offsets: ArrayLike<number>
    readonly ids?: ArrayLike<number>
  }
}

/** Keys and values of past tokens of one document. */
export interface KvCache extends Disposable {
  /** Positions held, those of whole-model adapters included: where the next token stands. */
  readonly length: number
  /** Positions that there is room for. */
  readonly capacity: number
  /** An empty cache of the same layers for `rows` documents of at most `capacity` positions each. */
  openRows(rows: number, capacity: number): KvRows
}

/** Tokens that a pass appends to a row. */
export interface RowPart {
  readonly row: number
  readonly tokens: number
}

/** What the batch of a pass over rows has to be. */
export interface RowPass {
  /** In this order their tokens stand in the batch. */
  readonly rows: readonly number[]
  readonly positions: Int32Array
  /** Of the documents; those without tokens stand for what is between the rows. */
  readonly offsets: Int32Array
}

/**
 * Keys and values of many documents at once, each in a row of its own. Rows come and go at any time: a row is filled from the cache of one
 * document or from another row, grows in each pass that `next()` names it for, and is freed. Rows do not see each other; memory follows their lengths.
 */
export interface KvRows extends Disposable {
  /** Positions of the longest row. */
  readonly length: number
  /** Positions that a row has at most. */
  readonly capacity: number
  readonly rows: number
  /** What all rows take now, and what one position takes. */
  readonly bytes: number
  readonly tokenBytes: number
  /** Positions that a row holds; 0: it is empty. */
  lengthOf(row: number): number
  /** Copies all that `from` holds into empty rows: what they have in common is computed once. */
  begin(rows: readonly number[], from: KvCache): void
  /** Copies the first `length` positions of row `from` into an empty row. */
  copy(row: number, from: number, length: number): void
  /** Empties a row, for another document. */
  free(row: number): void
  /** Says that the next pass appends tokens to these rows. */
  next(parts: readonly RowPart[]): RowPass
}

/** The sizes and names of a model, as its config.json gives them. */
export interface ModelInfo {
  /** Hugging Face `model_type`. */
  readonly type: string
  /** Hugging Face class name: `LlamaForCausalLM`. */
  readonly architecture: string
  readonly hiddenSize: number
  readonly layerCount: number
  /** Of attention: heads of the keys and values, and the size of each. */
  readonly kvHeads: number
  readonly headSize: number
  readonly vocabSize: number
  /** Longest sequence the model was made for. */
  readonly contextLength: number
  /** The config.json that it was built from. */
  readonly config: Readonly<Record<string, unknown>>
  /** How it is written, where that is not as it is here: the text of a model that also sees images. */
  readonly written?: WrittenModel
}

/** A model in files: another config.json, and other names of its weights. */
export interface WrittenModel {
  readonly config: Readonly<Record<string, unknown>>
  /** `model.language_model.norm.weight` → `model.norm.weight`; of the names of modules alike. */
  nameOf(name: string): string
}

/** A loss of the model's own besides that of its predictions: the balance of the experts of a mixture. */
export interface AuxiliaryLoss {
  /** One f32 number. */
  readonly loss: Tensor
  /** What it is multiplied with before it is added: `router_aux_loss_coef`. */
  readonly coefficient: number
}

/** Options of a pass through a model. */
export interface HiddenOptions {
  readonly cache?: KvCache | KvRows
  /** Recomputes each block in the backward pass. */
  readonly checkpointing?: boolean
  /** Takes what the model wants added to the loss, by name; a model that wants nothing leaves it empty. */
  readonly auxiliary?: Map<string, AuxiliaryLoss>
}

/**
 * One weight of all experts of a block, as newer versions of transformers hold it, and the layers that are its parts. For adapters that name the
 * parameter and not the modules.
 */
export interface ExpertParameter {
  /** `model.layers.0.mlp.experts.gate_up_proj` */
  readonly name: string
  /** Of one expert. */
  readonly inputs: number
  readonly outputs: number
  /** How many of the experts a token gets. */
  readonly perToken: number
  /** For each expert the layers whose outputs, one after the other, are its outputs. */
  readonly experts: readonly (readonly Layer[])[]
}

/**
 * A causal language model: what the trainer, adapters and the generator need of it. `loadModel()` opens one; disposing
 * it frees its weights.
 */
export interface Model extends Disposable {
  readonly info: ModelInfo
  /** Every layer by module path, embeddings and the head included: where adapters attach. */
  readonly layers: ReadonlyMap<string, Layer>
  /** The token embedding and the output head; with one weight in common when they are tied. */
  readonly embedding: Layer
  readonly head: Layer
  /**
   * Of a model that scores texts (`LlamaForSequenceClassification`): its head, (labels, C), the same layer as `head`. null or not given: it
   * predicts tokens. `documentScores()` gives the scores.
   */
  readonly scoreHead?: Layer | null
  /** Of a mixture of experts: the weights of its experts by name, in the order of the model. */
  readonly expertParameters?: ReadonlyMap<string, ExpertParameter>
  /** Adapters of the whole model. */
  readonly adapters: AdapterSlot<ModelAdapter>[]
  /** All weights that are tensors by their names in the checkpoint; tied weights once. Packed ones are in their layers. */
  readonly weights: ReadonlyMap<string, Tensor>
  /** Hidden states after the last norm: (T, C). */
  hidden(batch: TokenBatch, options?: HiddenOptions): Tensor
  /** With room for so many tokens, and what whole-model adapters that are active put before them. */
  createCache(capacity: number): KvCache
  /** Names of the parts in order, to say which layer first gave NaN: called with each hidden state when set. */
  probe: ((path: string, value: Tensor) => void) | null
}
