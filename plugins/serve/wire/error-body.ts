/**
 * Errors as OpenAI's and Anthropic's clients read them; both find in one object what they look for.
 */
import { TrituneError } from '../../../core/mod.ts'
import { statusOf } from '../../http/mod.ts'

export interface ErrorBody {
  readonly type: 'error'
  readonly error: {
    readonly type: string
    readonly message: string
    /** The field that is wrong, where one is. */
    readonly param: string | null
    readonly code: string
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
}

/** Codes that clients know by other names. */
const CODES: Readonly<Record<string, string>> = {
  E_NAME: 'model_not_found',
  E_SHAPE: 'context_length_exceeded',
}

/** Of an error of tritune; `status` is that of its reply. */
export function bodyOfError({ code, what, place, remedy }: TrituneError, status: number): ErrorBody {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  const message = `${place === undefined ? '' : `${place}: `}${what}${remedy === undefined ? '' : ` (${remedy})`}`
  const param = code.startsWith('E_CONFIG') ? (place ?? null) : null
  return { type: 'error', error: { type, message, param, code: CODES[code] ?? code } }
}

/** Of whatever was thrown: of a bug the client is told nothing. */
export function errorBody(error: unknown, onBug: (error: unknown) => void): ErrorBody {
  if (error instanceof TrituneError) return bodyOfError(error, statusOf(error))
  onBug(error)
  return bodyOfError(new TrituneError('E_REQUEST', 'something went wrong inside of the server'), 500)
}
