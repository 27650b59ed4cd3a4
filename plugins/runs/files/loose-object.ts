/**
 * Reads an object of JSON that another version of tritune may have written: what is not there, or is not what it should be, has a default.
 */

/** The fields of an object, by what they should be. */
export interface LooseObject {
  text<D extends string | null>(name: string, otherwise: D): string | D
  /** Finite ones alone. */
  number<D extends number | null>(name: string, otherwise: D): number | D
  object(name: string): LooseObject
  /** Every item that `read` does not give undefined for. */
  list<T>(name: string, read: (item: unknown) => T | undefined): T[]
  /** As it is. */
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Of what is no object: one without fields.
 *
 * @example
 * ```ts
 * import { looseObject } from 'tritune/plugins/runs'
 *
 * const { text, number } = looseObject({ name: 'low', steps: 'many' })
 * console.log(text('name', ''), number('steps', null)) // → low null
 * ```
 */
export function looseObject(value: unknown): LooseObject {
  const fields: Readonly<Record<string, unknown>> =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  const at = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined)
  return {
    fields,
    text(name, otherwise) {
      const found = at(name)
      return typeof found === 'string' ? found : otherwise
    },
    number(name, otherwise) {
      const found = at(name)
      return typeof found === 'number' && Number.isFinite(found) ? found : otherwise
    },
    object: (name) => looseObject(at(name)),
    list(name, read) {
      const found = at(name)
      if (!Array.isArray(found)) return []
      return found.map((item: unknown) => read(item)).filter((item) => item !== undefined)
    },
  }
}

/** A text, for `list()`. */
export function looseText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
