/**
 * What caches of keys and values are to the code of the models.
 */
import type { Device, FloatDType, KeyValuePrefix, KvCache, Tensor } from '../../core/mod.ts'

/** Sizes of a cache that the model decides. */
export interface CacheShape {
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly dtype: FloatDType
  readonly device: Device
}

/** The cache as the model code uses it, of one document or of many. */
export interface LayerCache extends Pick<KvCache, 'length'> {
  /** Appends k and v (T, Hkv, D) of a layer and returns all of them so far, and their document offsets (2) i32. */
  extend(layer: number, k: Tensor, v: Tensor): { k: Tensor; v: Tensor; offsets: Tensor }
  /** Counts the tokens that every layer has now appended. */
  advance(tokens: number): void
}

/** The cache of one document. */
export interface DocumentCache extends KvCache, LayerCache {
  /** Keys and values of a layer so far, (length, Hkv, D); they belong to the cache. */
  held(layer: number): KeyValuePrefix
  /** Forgets every token. */
  clear(): void
}
