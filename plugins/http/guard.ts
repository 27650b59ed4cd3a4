/**
 * Who may ask. A server on this machine is reached by every page of every browser on it, so a request is looked at before anything is done:
 *
 * - the host it names has to be an address, localhost or a name that was given. A page whose own name is made to lead here (DNS rebinding) names
 *   its own host; an address cannot be rebound.
 * - one that comes from a page has to come from a page of this server.
 * - what is not open needs the token, as `authorization: Bearer …` or `x-api-key: …`. A page elsewhere cannot set these.
 *
 * It does not encrypt: beyond this machine that is for a proxy or a tunnel.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { headerOf, type HttpHeaders } from './node-message.ts'
import { HttpRefusal } from './refusal.ts'

/** A token that nobody guesses: 192 random bits. */
export function newToken(): string {
  return randomBytes(24).toString('base64url')
}

/** Whether only this machine reaches an address or name. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

export interface GuardOptions {
  /** null: who reaches the server may do everything. */
  readonly token: string | null
  /** Names under which the server is reached, beside localhost and addresses. */
  readonly allowedHosts: readonly string[]
}

export interface Guard {
  /** Throws 421 and 403: for every request. */
  checkSender(headers: HttpHeaders): void
  /** Throws 401: for what is not open. */
  checkToken(headers: HttpHeaders): void
}

export function createGuard({ token, allowedHosts }: GuardOptions): Guard {
  const expected = token === null ? null : digest(token)
  const names = new Set(allowedHosts.map((name) => name.toLowerCase()))
  return {
    checkSender(headers) {
      checkHost(headerOf(headers, 'host'), names)
      checkOrigin(headers)
    },
    checkToken(headers) {
      if (expected === null) return
      const given = givenToken(headers)
      if (given !== undefined && timingSafeEqual(digest(given), expected)) return
      throw new HttpRefusal(401, given === undefined ? 'this needs the token of the server' : 'wrong token', {
        remedy:
          'open the address that the server printed at its start, or send `authorization: Bearer <token>`',
        headers: { 'www-authenticate': 'Bearer' },
      })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function checkHost(host: string | undefined, names: ReadonlySet<string>): void {
  const name = hostName(host ?? '')
  if (name === 'localhost' || isIP(name) !== 0 || names.has(name)) return
  throw new HttpRefusal(421, `this server is not ${name === '' ? 'without a name' : name}`, {
    remedy: `ask for localhost or an address, or start the server with --allow-host ${name || '<name>'}`,
  })
}

/** `LocalHost:80` → `localhost`, `[::1]:80` → `::1` */
function hostName(host: string): string {
  const [, bracketed, plain] = /^(?:\[([\da-fA-F:.]+)\]|([^[\]:/@\s]+))(?::\d{1,5})?$/.exec(host) ?? []
  return (bracketed ?? plain ?? '').toLowerCase()
}

function checkOrigin(headers: HttpHeaders): void {
  const [origin, host, site, mode] = ['origin', 'host', 'sec-fetch-site', 'sec-fetch-mode'].map((name) =>
    headerOf(headers, name),
  )
  if (origin !== undefined && originHost(origin) !== host?.toLowerCase()) throw foreign(origin)
  // Without an origin: a picture, a script, a form of another page. A link or the address bar is no harm: what is open has no effect.
  const isElsewhere = site === 'cross-site' || site === 'same-site'
  if (origin === undefined && isElsewhere && mode !== 'navigate') throw foreign('another page')
}

/** `null` of a file or of a sandbox is no host. */
function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}

function foreign(origin: string): HttpRefusal {
  return new HttpRefusal(403, `requests of ${origin} are refused: it is another site`, {
    remedy: 'use the page of this server',
  })
}

function givenToken(headers: HttpHeaders): string | undefined {
  const key = headerOf(headers, 'x-api-key')
  return key ?? /^Bearer +(\S+)$/i.exec(headerOf(headers, 'authorization') ?? '')?.[1]
}

/** Of equal length whatever was given. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
