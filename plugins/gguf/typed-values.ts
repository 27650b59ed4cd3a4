/**
 * Metadata values with the types that a GGUF file stores them as.
 */

/** What a metadata value is stored as. */
export type GgufValueType = 'u32' | 'i32' | 'f32' | 'u64' | 'bool' | 'string'

/** A metadata value with its type; a list when it is an array. */
export interface GgufTypedValue {
  readonly type: GgufValueType
  readonly value: GgufPlain | readonly GgufPlain[]
}

type GgufPlain = number | bigint | boolean | string

/** Keys and their values, in the order in which they are written. */
export type GgufMetadata = ReadonlyMap<string, GgufTypedValue>

export const u32 = (value: number): GgufTypedValue => ({ type: 'u32', value })
export const f32 = (value: number): GgufTypedValue => ({ type: 'f32', value })
export const bool = (value: boolean): GgufTypedValue => ({ type: 'bool', value })
export const text = (value: string): GgufTypedValue => ({ type: 'string', value })
export const texts = (value: readonly string[]): GgufTypedValue => ({ type: 'string', value })
export const i32s = (value: readonly number[]): GgufTypedValue => ({ type: 'i32', value })
export const f32s = (value: readonly number[]): GgufTypedValue => ({ type: 'f32', value })

/** The type of a value whose type was lost in reading: whole numbers become u32 (i32 below zero, u64 above), others f32. */
export function typed(value: GgufPlain | readonly GgufPlain[]): GgufTypedValue {
  const all: readonly GgufPlain[] = isList(value) ? value : [value]
  return { type: typeOf(all), value }
}

function typeOf(all: readonly GgufPlain[]): GgufValueType {
  if (all.every((one) => typeof one === 'string')) return 'string'
  if (all.every((one) => typeof one === 'boolean')) return 'bool'
  if (all.some((one) => typeof one === 'bigint')) return 'u64'
  if (!all.every((one) => Number.isInteger(one))) return 'f32'
  return all.some((one) => Number(one) < 0)
    ? 'i32'
    : all.some((one) => Number(one) >= 2 ** 32)
      ? 'u64'
      : 'u32'
}

export function isList(value: GgufTypedValue['value']): value is readonly GgufPlain[] {
  return Array.isArray(value)
}
