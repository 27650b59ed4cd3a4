/**
 * Values of columnar files as JSON would have them: whole numbers as numbers, lists and structs as arrays and objects, dates as ISO
 * texts. A number that JavaScript cannot hold stays a bigint, which templates write in full.
 */
export function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(plainValue)
  if (ArrayBuffer.isView(value)) return isNumbers(value) ? Array.from(value, plainValue) : value
  if (isIterable(value) && !isStruct(value)) return Array.from(value, plainValue)
  const fields: unknown = isStruct(value) ? value.toJSON() : value
  return Object.fromEntries(Object.entries(Object(fields)).map(([key, item]) => [key, plainValue(item)]))
}

/** A struct or map of Arrow is an iterable of pairs with a `toJSON()`; its lists have one too, and a length. */
function isStruct(value: object): value is { toJSON(): object } {
  return typeof Reflect.get(value, 'toJSON') === 'function' && Reflect.get(value, 'length') === undefined
}

function isIterable(value: object): value is Iterable<unknown> {
  return typeof Reflect.get(value, Symbol.iterator) === 'function'
}

function isNumbers(value: ArrayBufferView): value is Int32Array | BigInt64Array {
  return !(value instanceof DataView) && !(value instanceof Uint8Array)
}
