/**
 * Hubs that answer what no hub should, and caches that are not what their names say.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from '../../../core/files/lock.ts'
import { type HubOptions, resolveModel } from '../../../plugins/hub/mod.ts'
import { redirected } from '../../../plugins/hub/request.ts'
import { AT_ONCE, failure, hubSpace } from './_space.ts'
import { COMMIT, type FakeFile, type FakeHub, fakeHub, large, sha256, text } from './_server.ts'

const space = hubSpace()
afterAll(() => space[Symbol.dispose]())

const REPO = 'org/tiny'
const WEIGHTS = large(60_000)
const MODEL: Record<string, FakeFile> = {
  'config.json': text('{"model_type":"llama"}'),
  'model.safetensors': WEIGHTS,
}

let cacheDir: string
let hub: FakeHub
let notes: string[]
beforeEach(() => {
  cacheDir = space.folder('cache')
  hub = fakeHub(REPO, MODEL)
  notes = []
})
afterEach(() => hub[Symbol.dispose]())

function options(more: HubOptions = {}): HubOptions {
  return {
    endpoint: hub.endpoint,
    cacheDir,
    token: 'hf_secret',
    ...AT_ONCE,
    onNote: (note) => notes.push(note),
    ...more,
  }
}

const repoPath = (...path: string[]): string => join(cacheDir, 'models--org--tiny', ...path)
const blob = (): string => repoPath('blobs', sha256(WEIGHTS.content))
const sent = (): string[] => hub.log.filter((line) => line.includes('auth='))

describe('redirects', () => {
  test.each([
    'file:///etc/passwd',
    'data:text/plain,x',
    's3://bucket/key',
    'ftp://127.0.0.1/x',
    'javascript:1',
    'http://',
  ])('%s is not followed', async (location) => {
    hub.intercept = (path) =>
      path === 'config.json' ? new Response('', { status: 302, headers: { location } }) : undefined
    const error = await failure(resolveModel(REPO, options()))
    expect(error.code).toBe('E_HUB')
    expect(error.message).toMatch(/config\.json: the answer of the hub is not followed[^]*HF_ENDPOINT/)
    expect(existsSync(repoPath('snapshots', COMMIT, 'config.json'))).toBe(false)
    // Not tried again: it would be the same.
    expect(hub.log.filter((line) => line.includes('config.json')).length).toBe(1)
  })

  test('a circle ends', async () => {
    hub.intercept = (path, { url }) =>
      path === 'config.json' ? new Response('', { status: 302, headers: { location: url } }) : undefined
    expect((await failure(resolveModel(REPO, options()))).message).toContain('more than 8 times')
  })

  test('never from https to http, but the other way', () => {
    const from = new URL('https://hub.example/org/tiny/resolve/main/x')
    expect(() => redirected(from, 'http://hub.example/x', 'x')).toThrow('not as safe')
    expect(() => redirected(from, 'http://hub.example:443/x', 'x')).toThrow('not as safe')
    expect(redirected(from, '//cdn.example/x', 'x').href).toBe('https://cdn.example/x')
    expect(redirected(from, '/api/resolve-cache/x', 'x').href).toBe('https://hub.example/api/resolve-cache/x')
    expect(redirected(new URL('http://hub.example'), 'https://hub.example/x', 'x').protocol).toBe('https:')
  })

  test('the token goes along within the hub, and not to another port of its host', async () => {
    let moved = false
    hub.intercept = (path, { url }) => {
      if (path !== 'config.json' || moved) return undefined
      moved = true
      return new Response('', { status: 307, headers: { location: new URL(url).pathname } })
    }
    await resolveModel(REPO, options())
    expect(sent().filter((line) => line.includes('config.json')).length).toBe(2)
    expect(sent().some((line) => line.startsWith('cdn'))).toBe(false)
    expect(hub.log).toContain('cdn/model.safetensors')
  })
})

describe('answers', () => {
  test('another commit than the pinned one is refused', async () => {
    const pinned = 'c'.repeat(40)
    const error = await failure(resolveModel(`${REPO}@${pinned}`, options()))
    expect(error.message).toContain(`it names another commit, ${COMMIT}`)
    expect(readdirSync(cacheDir)).toEqual([])
  })

  test('a list of files without end is refused, with equal and with ever new pages', async () => {
    for (const next of [(): string => 'x', (n: number): string => String(n)]) {
      let pages = 0
      hub.refuse = ({ pathname, origin }) => {
        if (!pathname.includes('/tree/')) return undefined
        const link = `<${origin}${pathname}?cursor=${next(++pages)}>; rel="next"`
        return Response.json([], { headers: { link } })
      }
      expect((await failure(resolveModel(REPO, options()))).message).toContain(
        'its list of files does not end',
      )
      expect(pages).toBeLessThanOrEqual(1001)
    }
  }, 30_000)

  test('a list that goes on elsewhere is refused', async () => {
    hub.refuse = ({ pathname }) =>
      pathname.includes('/tree/')
        ? Response.json([], { headers: { link: '<http://127.0.0.1:1/next>; rel="next"' } })
        : undefined
    expect((await failure(resolveModel(REPO, options()))).message).toContain('goes on at http://127.0.0.1:1')
  })

  test('an answer without end, or nested beyond reason, is refused', async () => {
    hub.refuse = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.enqueue(new Uint8Array(8 * 2 ** 20).fill(32))
          },
        }),
      )
    expect((await failure(resolveModel(REPO, options()))).message).toContain('it has no end')
    hub.refuse = () => new Response('['.repeat(5_000_000))
    expect((await failure(resolveModel(REPO, options()))).message).toContain('it is no JSON')
  }, 30_000)
})

describe('a hub that asks to wait', () => {
  const busyOnce = (headers: Record<string, string>): void => {
    let busy = true
    hub.refuse = () => {
      if (!busy) return undefined
      busy = false
      return new Response('', { status: 429, headers })
    }
  }
  const waited = async (headers: Record<string, string>): Promise<number> => {
    busyOnce(headers)
    const began = performance.now()
    await resolveModel(REPO, options())
    return performance.now() - began
  }

  test('is obeyed, in seconds, as a date, and in its own header', async () => {
    expect(await waited({ 'retry-after': '1' })).toBeGreaterThan(950)
    // HTTP dates have whole seconds.
    expect(await waited({ 'retry-after': new Date(Date.now() + 2100).toUTCString() })).toBeGreaterThan(900)
    expect(await waited({ ratelimit: '"api";r=0;t=1' })).toBeGreaterThan(950)
  }, 20_000)

  test('is not waited for when the time is past, or no time', async () => {
    expect(await waited({ 'retry-after': new Date(Date.now() - 5e6).toUTCString() })).toBeLessThan(900)
    expect(await waited({ 'retry-after': 'soon' })).toBeLessThan(900)
  })

  test.each(['86400', '99999999999999999999', new Date(Date.now() + 864e5).toUTCString()])(
    'for %s is an error that says so',
    async (after) => {
      busyOnce({ 'retry-after': after })
      const error = await failure(resolveModel(REPO, options()))
      expect(error.message).toMatch(/the hub asks to wait \d+ minutes \(429\)/)
      expect(hub.log.length).toBe(1)
    },
  )
})

describe('a hub that says nothing', () => {
  const before = process.env['HF_HUB_DOWNLOAD_TIMEOUT']
  beforeEach(() => {
    process.env['HF_HUB_DOWNLOAD_TIMEOUT'] = '1'
  })
  afterEach(() => {
    if (before === undefined) delete process.env['HF_HUB_DOWNLOAD_TIMEOUT']
    else process.env['HF_HUB_DOWNLOAD_TIMEOUT'] = before
  })
  const endless = (status: number, first: string): Response =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(first))
        },
      }),
      { status },
    )
  const expectTold = async (what: string): Promise<void> => {
    const error = await failure(resolveModel(REPO, options({ retries: 1 })))
    expect(error.message).toContain('(no data for 1 s)')
    // Once for each attempt; a busy machine looks late, or only when it is over.
    expect(notes.length).toBeLessThanOrEqual(2)
    for (const note of notes) {
      expect(note).toStartWith(`waiting for ${what}: no data for `)
      expect(note).toEndWith(' s; given up after 1 s')
    }
  }

  test('in the middle of its answer is told, and given up', async () => {
    hub.refuse = () => endless(200, '{')
    await expectTold(REPO)
  }, 20_000)

  test('in the middle of a file, too', async () => {
    hub.intercept = (path) => (path === 'model.safetensors' ? endless(200, 'x') : undefined)
    await expectTold(`${REPO}/model.safetensors`)
  }, 20_000)

  test('in the middle of a refusal is not waited for', async () => {
    hub.refuse = () => endless(503, 'x')
    const error = await failure(resolveModel(REPO, options({ retries: 1 })))
    expect(error.message).toContain('the hub cannot answer now (503)')
  }, 20_000)
})

test('a size that is none is refused', async () => {
  for (const size of [-1, 1.5, 2 ** 60]) {
    hub.refuse = ({ pathname }) =>
      pathname.includes('/tree/')
        ? Response.json([{ type: 'file', path: 'config.json', oid: 'a'.repeat(40), size }])
        : undefined
    expect((await failure(resolveModel(REPO, options()))).message).toContain(`config.json has ${size} bytes`)
  }
})

describe('a blob of the right size and the wrong bytes', () => {
  const damage = (): void => {
    const bytes = readFileSync(blob())
    bytes[1234] ^= 1
    writeFileSync(blob(), bytes)
  }

  test('that another program left is downloaded again', async () => {
    mkdirSync(repoPath('blobs'), { recursive: true })
    writeFileSync(blob(), new Uint8Array(WEIGHTS.content.length))
    const folder = await resolveModel(REPO, options())
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(notes).toEqual(['the cached org/tiny/model.safetensors is damaged: downloading it again'])
  })

  test('is noticed for a pinned commit and offline, too', async () => {
    await resolveModel(REPO, options())
    damage()
    const error = await failure(resolveModel(REPO, options({ offline: true })))
    expect(error.message).toMatch(/org\/tiny: the cached model\.safetensors is damaged[^]*without offline/)
    const folder = await resolveModel(`${REPO}@${COMMIT}`, options())
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(await resolveModel(REPO, options({ offline: true }))).toBe(folder)
  })

  test('a right one is read once', async () => {
    mkdirSync(repoPath('blobs'), { recursive: true })
    writeFileSync(blob(), WEIGHTS.content)
    utimesSync(blob(), 1e9, 1e9)
    await resolveModel(REPO, options())
    const memory = repoPath('.verified', sha256(WEIGHTS.content))
    const remembered = readFileSync(memory, 'utf8')
    expect(hub.log.filter((line) => line.startsWith('cdn'))).toEqual([])
    // What is remembered is believed: other bytes behind the same size and time are not looked at.
    damage()
    utimesSync(blob(), 1e9, 1e9)
    expect(remembered).toContain(String(WEIGHTS.content.length))
    expect(await resolveModel(REPO, options({ offline: true }))).toContain(COMMIT)
    rmSync(memory)
    expect((await failure(resolveModel(REPO, options({ offline: true })))).message).toContain('is damaged')
  })
})

test('a download that waits tells for whom, and goes on', async () => {
  const path = join(cacheDir, '.locks/models--org--tiny', `${sha256(WEIGHTS.content)}.lock`)
  const { lock } = await tryLock(path)
  const download = resolveModel(REPO, options({ onNote: () => lock?.[Symbol.dispose]() }))
  expect(await download).toContain(COMMIT)
  const again = (await tryLock(path)).lock
  const told = Promise.withResolvers<string>()
  const waiting = resolveModel(REPO, options({ onNote: told.resolve, cacheDir }))
  expect(await told.promise).toMatch(
    new RegExp(
      `^waiting for org/tiny/model\\.safetensors: process ${process.pid} on \\S+, since .* UTC downloads it$`,
    ),
  )
  // Its end belongs to this test: the hub is gone after it.
  again?.[Symbol.dispose]()
  expect(await waiting).toContain(COMMIT)
}, 20_000)
