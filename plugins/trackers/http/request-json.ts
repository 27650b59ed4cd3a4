/**
 * One request to a tracker's server, JSON both ways. What may be tried again is told apart from what may not.
 */
import { TrituneError } from '../../../core/mod.ts'

/** A request. */
export interface JsonRequest {
  readonly method?: 'GET' | 'POST'
  readonly url: string
  /** `Authorization`, where there is one; it is never shown. */
  readonly authorization?: string | undefined
  /** JSON already, as there are numbers that JSON has none of. */
  readonly body?: string
  readonly timeoutMs?: number
}

/** The server could not be reached, is busy, or broken: the same request may go through later. */
export class TryLater extends Error {}

/**
 * The answer as JSON.
 *
 * @throws TryLater; E_NETWORK when the server refuses
 */
export async function requestJson(request: JsonRequest): Promise<unknown> {
  const { method = 'POST', url, authorization, body, timeoutMs = 20_000 } = request
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method,
      // A key goes to the server that it was given for, and to no other.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(body === undefined ? {} : { body }),
    })
    text = await response.text()
  } catch (cause) {
    throw new TryLater(
      `${placeOf(url)} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
  }
  const { status } = response
  if (status === 408 || status === 429 || status >= 500)
    throw new TryLater(`${placeOf(url)} answers ${status}`)
  if (!response.ok) throw new Refused(status, placeOf(url), shortened(text))
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new Refused(status, placeOf(url), `no JSON: ${shortened(text)}`)
  }
}

/** The server said no. */
export class Refused extends TrituneError {
  readonly status: number

  constructor(status: number, place: string, said: string) {
    super('E_NETWORK', `the server answers ${status}: ${said}`, {
      place,
      remedy:
        status === 401 || status === 403
          ? 'look at the key, and at what it may do'
          : 'look at the address and the names',
    })
    this.status = status
  }
}

/** What lies at a path of an answer; undefined where nothing does. */
export function fieldOf(answer: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => Reflect.get(Object(value), key), answer)
}

/** An address without names and passwords in it. */
export function placeOf(url: string): string {
  try {
    const { origin, pathname } = new URL(url)
    return `${origin}${pathname}`
  } catch {
    return 'no address'
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function shortened(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
  return plain.length > 300 ? `${plain.slice(0, 299)}…` : plain
}
