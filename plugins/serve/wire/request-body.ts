/**
 * The body of a request as JSON that can be walked through without fear: not nested without end.
 */
import { type HttpRequest, HttpRefusal } from '../../http/mod.ts'

/** Schemas of tools nest, messages hardly do. */
const DEEPEST = 100

/** Throws what `json()` throws, and 400 for values that are nested more than a hundred deep. */
export async function bodyOf(http: HttpRequest): Promise<unknown> {
  const body = await http.json()
  let level = childrenOf(body)
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw new HttpRefusal(400, `the body is nested more than ${DEEPEST} deep`, {
        remedy: 'send a flatter one: schemas of tools may name their parts with $ref',
      })
    level = level.flatMap(childrenOf)
  }
  return body
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function childrenOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}
