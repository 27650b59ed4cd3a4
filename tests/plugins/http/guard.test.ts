/**
 * Who may ask a local server: the host named, the page it comes from, the token.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type HttpServer, jsonReply, newToken, openHttpServer } from '../../../plugins/http/mod.ts'
import { ask } from './_raw.ts'

const token = newToken()
const bugs: unknown[] = []
let done = 0
let server: HttpServer

beforeAll(async () => {
  server = await openHttpServer({
    token,
    allowedHosts: ['Trainer.lan'],
    routes: [
      { method: 'GET', path: '/', open: true, handle: () => ({ body: 'page' }) },
      { method: 'GET', path: '/secret', handle: () => jsonReply('told') },
      {
        method: 'POST',
        path: '/act',
        handle: async (request) => {
          const value = await request.json()
          done++
          return jsonReply(value)
        },
      },
    ],
    onBug: (error) => bugs.push(error),
  })
})

afterAll(async () => {
  await server.close()
  expect(bugs).toEqual([])
})

const statusOf = async (headers: Record<string, string>, path = '/'): Promise<number> =>
  (await ask(server.port, { path, headers })).status

describe('the host that is asked for', () => {
  test.each([
    ['127.0.0.1', 200],
    ['127.0.0.1:7070', 200],
    ['LOCALHOST:1', 200],
    ['[::1]:7070', 200],
    ['192.168.1.7:80', 200],
    ['trainer.lan', 200],
    ['trainer.LAN:8080', 200],
    ['evil.example', 421],
    ['evil.example:7070', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['127.0.0.1@evil.example', 421],
    ['127.1', 421],
    ['2130706433', 421],
    ['localhost:1:2', 421],
  ])('%s → %p', async (host, status) => {
    expect(await statusOf({ host })).toBe(status)
  })

  test('a name made to lead here tells which option would allow it', async () => {
    const { body } = await ask(server.port, { headers: { host: 'evil.example' } })
    expect(JSON.parse(body).error).toMatchObject({
      code: 'E_REQUEST',
      what: 'this server is not evil.example',
    })
    expect(JSON.parse(body).error.remedy).toContain('--allow-host evil.example')
  })
})

describe('the page that asks', () => {
  const host = '127.0.0.1:7070'
  test.each([
    [{ origin: 'http://127.0.0.1:7070' }, 200],
    [{ origin: 'https://127.0.0.1:7070' }, 200],
    [{ origin: 'http://127.0.0.1:7071' }, 403],
    [{ origin: 'http://localhost:7070' }, 403],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: '' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 200],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ])('%p → %p', async (headers, status) => {
    expect(await statusOf({ host, ...headers })).toBe(status)
  })
})

describe('the token', () => {
  const host = 'localhost'
  test.each([
    [{}, 401],
    [{ authorization: `Bearer ${token}` }, 200],
    [{ authorization: `bearer ${token}` }, 200],
    [{ 'x-api-key': token }, 200],
    [{ authorization: token }, 401],
    [{ authorization: 'Bearer ' }, 401],
    [{ authorization: `Bearer ${token.slice(1)}` }, 401],
    [{ authorization: `Bearer ${token}x` }, 401],
    [{ 'x-api-key': '' }, 401],
    [{ cookie: `token=${token}` }, 401],
  ])('%p → %p', async (headers, status) => {
    expect(await statusOf({ host, ...headers }, '/secret')).toBe(status)
  })

  test('nothing is done without it, nor for a page from elsewhere that has it', async () => {
    const json = { host, 'content-type': 'application/json' }
    const post = async (headers: Record<string, string>): Promise<number> =>
      (await ask(server.port, { method: 'POST', path: '/act', headers: { ...json, ...headers }, body: '1' }))
        .status
    const authorization = `Bearer ${token}`
    expect(await post({})).toBe(401)
    expect(await post({ authorization, origin: 'http://evil.example' })).toBe(403)
    expect(await post({ authorization, host: 'evil.example' })).toBe(421)
    expect(done).toBe(0)
    expect(await post({ authorization })).toBe(200)
    expect(done).toBe(1)
  })

  test('a refusal does not tell the token, and a preflight is answered with no permission', async () => {
    const { head, body } = await ask(server.port, { path: '/secret', headers: { host } })
    expect(head + body).not.toContain(token)
    const preflight = await ask(server.port, {
      method: 'OPTIONS',
      path: '/act',
      headers: { host, origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(403)
    expect(preflight.head.toLowerCase()).not.toContain('access-control-allow')
  })

  test('an address that others reach has to have one', async () => {
    const open = openHttpServer({ token: null, host: '0.0.0.0', routes: [], onBug: () => {} })
    await expect(open).rejects.toThrow('reached by others, and has no token')
  })
})
