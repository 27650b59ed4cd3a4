/**
 * Routes, bodies, errors and files of a local server.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import {
  fileRoutes,
  HttpRefusal,
  type HttpServer,
  jsonReply,
  openHttpServer,
} from '../../../plugins/http/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { ask } from './_raw.ts'

const bugs: unknown[] = []
let server: HttpServer

beforeAll(async () => {
  server = await openHttpServer({
    token: null,
    maxBytes: 64,
    routes: [
      {
        method: 'GET',
        path: '/runs/:run/:part',
        handle: ({ params, query }) => jsonReply([params, query.get('x')]),
      },
      { method: 'POST', path: '/echo', handle: async (request) => jsonReply(await request.json()) },
      { method: 'GET', path: '/echo', handle: () => jsonReply('got') },
      {
        method: 'GET',
        path: '/full',
        handle: () => {
          throw new HttpRefusal(429, 'the queue is full', { code: 'E_BUSY', headers: { 'retry-after': '2' } })
        },
      },
      {
        method: 'GET',
        path: '/unknown',
        handle: () => {
          throw new TrituneError('E_NAME', 'there is no run x', { place: 'runs', remedy: 'look at the list' })
        },
      },
      {
        method: 'GET',
        path: '/bug',
        handle: () => {
          throw new Error('the password is 1234')
        },
      },
    ],
    onBug: (error) => bugs.push(error),
  })
})

afterAll(async () => await server.close())

const host = 'localhost'
const json = { host, 'content-type': 'application/json' }

describe('routes', () => {
  test('names of a path are decoded, one by one', async () => {
    const { body } = await ask(server.port, { path: '/runs/a%2Fb/%C3%A4?x=1&x=2', headers: { host } })
    expect(JSON.parse(body)).toEqual([{ run: 'a/b', part: 'ä' }, '1'])
  })

  test.each([
    ['GET', '/', 404],
    ['GET', '/runs/a', 404],
    ['GET', '/runs//b', 404],
    ['GET', '/runs/%ff/b', 404],
    ['GET', '/runs/../echo', 200],
    ['GET', '/%2e%2e/etc/passwd', 404],
    ['DELETE', '/echo', 405],
    ['HEAD', '/echo', 200],
  ])('%s %s → %p', async (method, path, status) => {
    const reply = await ask(server.port, { method, path, headers: { host } })
    expect(reply.status).toBe(status)
    if (method === 'HEAD') expect(reply.body).toBe('')
  })

  test('405 says what is taken', async () => {
    const { head } = await ask(server.port, { method: 'DELETE', path: '/echo', headers: { host } })
    expect(head.toLowerCase()).toContain('allow: post, get')
  })
})

describe('bodies', () => {
  test.each([
    [json, '{"a": [1, "ü"]}', 200],
    [{ host, 'content-type': 'application/json; charset=utf-8' }, '1', 200],
    [{ host, 'content-type': 'text/plain' }, '1', 415],
    [{ host, 'content-type': 'application/x-www-form-urlencoded' }, 'a=1', 415],
    [{ host }, '1', 415],
    [json, '{"a": ', 400],
    [json, '', 400],
    [json, `"${'x'.repeat(100)}"`, 413],
  ])('%p %s → %p', async (headers, body, status) => {
    expect((await ask(server.port, { method: 'POST', path: '/echo', headers, body })).status).toBe(status)
  })

  test('one that does not tell its length ends at the limit too', async () => {
    const pieces = ['"', 'x'.repeat(100), 'x'.repeat(1000)]
    const body = new ReadableStream({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(piece))
      },
    })
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(`${server.url}/echo`, { method: 'POST', headers, body })
    expect(reply.status).toBe(413)
  })
})

describe('errors', () => {
  test('a refusal has its status and headers, an error its code, place and remedy', async () => {
    const full = await fetch(`${server.url}/full`)
    expect([full.status, full.headers.get('retry-after')]).toEqual([429, '2'])
    const unknown = await fetch(`${server.url}/unknown`)
    expect(unknown.status).toBe(404)
    expect(await unknown.json()).toEqual({
      error: {
        code: 'E_NAME',
        what: 'there is no run x',
        where: 'runs',
        remedy: 'look at the list',
        message: 'runs: there is no run x\n  → look at the list',
      },
    })
  })

  test('a bug is told to the server and not to the client', async () => {
    const reply = await fetch(`${server.url}/bug`)
    expect(reply.status).toBe(500)
    expect(await reply.text()).not.toContain('1234')
    expect(bugs).toEqual([new Error('the password is 1234')])
  })

  test('a port that is taken, an address that is not here, a port that cannot be', async () => {
    const open = (host: string, port: number): Promise<unknown> =>
      openHttpServer({ token: 'x', host, port, routes: [], onBug: () => {} })
    await expect(open('127.0.0.1', server.port)).rejects.toThrow(`port ${server.port} is taken`)
    await expect(open('192.0.2.1', 0)).rejects.toThrow('cannot listen')
    await expect(open('127.0.0.1', 70_000)).rejects.toThrow('cannot listen')
  })
})

test('files are routes of their own, with the headers that keep a page to itself', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'page.html'), '<p>hello</p>')
  writeFileSync(join(folder.path, 'page.js'), 'export {}')
  const files = { '/': join(folder.path, 'page.html'), '/page.js': join(folder.path, 'page.js') }
  await using server = await openHttpServer({ token: 'x', routes: fileRoutes(files), onBug: () => {} })
  const page = await fetch(server.url)
  expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
    200,
    'text/html; charset=utf-8',
    '<p>hello</p>',
  ])
  const policy = page.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("script-src 'self'")
  expect(policy).not.toContain('unsafe')
  expect((await fetch(`${server.url}/page.js`)).headers.get('content-type')).toStartWith('text/javascript')
  expect((await fetch(`${server.url}/page.html`)).status).toBe(404)
  expect(() => fileRoutes({ '/': join(folder.path, 'none.html') })).toThrow('a file of the page is not there')
})
