/**
 * What a divided optimizer keeps beside its tensors, as one process would have it: each has the numbers of its own parts, and a checkpoint has all.
 */
import { type JsonValue, TrituneError, type World } from '../../../core/mod.ts'
import { agree } from '../../../core/agree.ts'

/** All processes call it, each with its own. E_PLUGIN where two have another value under one name. */
export function mergedState(world: World, own: JsonValue): JsonValue {
  const all = world.gather(JSON.stringify(own)).map((text): JsonValue => JSON.parse(text))
  return agree(world, () => all.reduce((one, other) => merged(one, other, [])))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function merged(one: JsonValue, other: JsonValue, path: readonly string[]): JsonValue {
  const [a, b] = [fieldsOf(one), fieldsOf(other)]
  if (a !== null && b !== null) {
    const all = new Map(a)
    for (const [name, value] of b) {
      const before = all.get(name)
      all.set(name, before === undefined ? value : merged(before, value, [...path, name]))
    }
    return Object.fromEntries(all)
  }
  if (JSON.stringify(one) === JSON.stringify(other)) return one
  throw new TrituneError(
    'E_PLUGIN',
    `the optimizer keeps ${path.join('.')} as ${JSON.stringify(one)} on one process and as ${JSON.stringify(other)} on another, and a checkpoint has one of them`,
    {
      remedy:
        'saveState() of an optimizer that divides gives what all processes have alike, or numbers by parameter',
    },
  )
}

function fieldsOf(value: JsonValue): Map<string, JsonValue> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return new Map(Object.entries(value))
}
