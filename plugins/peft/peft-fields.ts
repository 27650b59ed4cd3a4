/**
 * Fields of adapter_config.json: those that are options of a method, and those that must say nothing.
 */
import { TrituneError } from '../../core/mod.ts'

/** E_UNSUPPORTED for a field that would give another model: `plain` has the values that do not. */
export function expectPlain(
  fields: Readonly<Record<string, unknown>>,
  plain: Readonly<Record<string, readonly unknown[]>>,
): void {
  for (const [key, allowed] of Object.entries(plain)) {
    const value = fields[key] ?? null
    if (!allowed.some((one) => JSON.stringify(one) === JSON.stringify(value)))
      throw new TrituneError('E_UNSUPPORTED', `${key}: ${JSON.stringify(value)} is not supported yet`)
  }
}

/** The fields of these names that are there. */
export function pick(
  fields: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(fields, name) ? [[name, fields[name]]] : [])),
  )
}
