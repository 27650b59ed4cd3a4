/**
 * A part of a run as the file names it: `strategy: skip`, or with options `strategy: { name: skip, threshold: 0.1 }`.
 *
 * Only the form is checked here. Who provides the name, and whether the options fit, is known when the plugins are loaded (`parts.ts`).
 */
import * as v from 'valibot'
import {
  type Field,
  type JsonSchema,
  mapOf,
  NON_EMPTY,
  text,
  withJson,
} from '../../../core/contracts/config-fields.ts'

/** A part that a run's file names, with its options. */
export interface Named {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** One of the names that are built in, which editors offer, or that of a plugin's. */
export type OpenName<N extends string = never> = N | (string & {})

/** A part as it is written: its name, or a mapping with `name` and options. */
export type NamedInput<N extends string = never> =
  | OpenName<N>
  | { readonly name: OpenName<N>; readonly [option: string]: unknown }

const EXPECTED = 'a name, or a mapping with "name" and options'

/** `names`: those that are built in. */
export function named<N extends string = never>(names: readonly N[] = []): Field<Named, NamedInput<N>> {
  const schema = v.lazy((input) =>
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
  return withJson(schema as Field<Named, NamedInput<N>>, namedJson(names))
}

/** One of them or a list. */
export function namedList<N extends string = never>(
  names: readonly N[] = [],
): Field<readonly Named[], NamedInput<N> | readonly NamedInput<N>[]> {
  const one = named(names)
  const schema = v.lazy((input) =>
    Array.isArray(input)
      ? v.array(one, 'expected a list')
      : v.pipe(
          one,
          v.transform((single) => [single]),
        ),
  )
  const form = namedJson(names)
  return withJson<readonly Named[], NamedInput<N> | readonly NamedInput<N>[]>(schema, {
    anyOf: [form, { type: 'array', items: form }],
  })
}

/** Names that editors offer; others are those of plugins. */
export function openNames(names: readonly string[]): JsonSchema {
  return names.length === 0 ? NON_EMPTY : { anyOf: [{ enum: names }, NON_EMPTY] }
}

function namedJson(names: readonly string[]): JsonSchema {
  const name = openNames(names)
  return { anyOf: [name, { type: 'object', properties: { name }, required: ['name'] }] }
}
