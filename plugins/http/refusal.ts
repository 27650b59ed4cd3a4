/**
 * A request that is refused, with the status that says so to programs.
 */
import { type ErrorCode, type ErrorDetails, TrituneError } from '../../core/mod.ts'

/** What a refusal tells beside its status; what can be done about it always. */
export interface HttpRefusalOptions extends ErrorDetails {
  readonly remedy: string
  /** Default: E_REQUEST. */
  readonly code?: ErrorCode
  /** Of the reply, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An error whose reply has a status of its own: 401 without a token, 403 from another origin, 429 when a queue is full. */
export class HttpRefusal extends TrituneError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    what: string,
    { code = 'E_REQUEST', headers = {}, ...details }: HttpRefusalOptions,
  ) {
    super(code, what, details)
    this.status = status
    this.headers = headers
  }
}

/** The status of an error: what a refusal says, 400 for what tritune refuses, 500 for the rest, which is a bug. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpRefusal) return error.status
  if (!(error instanceof TrituneError)) return 500
  return STATUS[error.code] ?? 400
}

/** Where it is not what was asked that is wrong. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  E_NAME: 404,
  E_BUSY: 409,
  E_DISK: 507,
  E_MEMORY: 503,
  E_LIBRARY: 500,
  E_NATIVE: 500,
}
