/**
 * A part of a run as the file names it: `strategy: skip`, or with options `strategy: { name: skip, threshold: 0.1 }`.
 *
 * Only the form is checked here. Who provides the name, and whether the options fit, is known when the plugins are loaded (`parts.ts`).
 */
import * as v from 'valibot'
import { type Field, mapOf, text } from '../../core/contracts/config-fields.ts'

export interface Named {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

const EXPECTED = 'a name, or a mapping with "name" and options'

/** A name or a mapping. */
export const named: Field<Named> = v.lazy((input) =>
  typeof input === 'object' && input !== null && !Array.isArray(input)
    ? v.pipe(
        mapOf(v.unknown(), EXPECTED),
        v.check(({ name }) => typeof name === 'string' && name.trim() !== '', `expected ${EXPECTED}`),
        v.transform(({ name, ...options }) => ({ name: String(name), options })),
      )
    : v.pipe(
        text(EXPECTED),
        v.transform((name) => ({ name, options: {} })),
      ),
)

/** One of them or a list. */
export const namedList: Field<readonly Named[]> = v.lazy((input) =>
  Array.isArray(input)
    ? v.array(named, 'expected a list')
    : v.pipe(
        named,
        v.transform((one) => [one]),
      ),
)
