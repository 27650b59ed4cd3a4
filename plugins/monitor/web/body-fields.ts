/** The fields of a JSON body, each checked where it is taken. */
import { HttpRefusal } from '../../http/mod.ts'

export interface BodyFields {
  /** Throws 400 when it is no text, or longer than a person would write. */
  text(name: string): string
  number(name: string): number
}

const LONGEST = 1 << 20

/** Throws 400 for a body that is no object. */
export function bodyFields(body: unknown): BodyFields {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new HttpRefusal(400, 'expected an object', {
      remedy: 'send a JSON object with the fields of the request',
    })
  const get = (name: string): unknown => (Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined)
  const wrong = (name: string, expected: string): HttpRefusal =>
    new HttpRefusal(400, `${name}: expected ${expected}`, {
      remedy: `send a JSON object that has ${name} as ${expected}`,
    })
  return {
    text(name) {
      const value = get(name)
      if (typeof value !== 'string') throw wrong(name, 'a text')
      if (value.length > LONGEST) throw wrong(name, `at most ${LONGEST} characters`)
      return value
    },
    number(name) {
      const value = get(name)
      if (typeof value !== 'number') throw wrong(name, 'a number')
      return value
    },
  }
}
