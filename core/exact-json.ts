/**
 * JSON for what processes tell each other: numbers that are not finite arrive as they are, where JSON itself makes null of them, and arithmetic then 0.
 */

/** JSON of a value; what is no finite number stands under a key of its own. */
export function exactJson(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'number' && !Number.isFinite(one) ? { [KEY]: String(one) } : one,
  )
}

/** What `exactJson()` was given. */
export function fromExactJson<T>(text: string): T {
  return JSON.parse(text, (_, one: unknown) =>
    typeof one === 'object' && one !== null && Object.hasOwn(one, KEY) ? Number(Reflect.get(one, KEY)) : one,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const KEY = '#number'
