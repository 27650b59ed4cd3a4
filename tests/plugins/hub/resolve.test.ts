import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { HubOptions, HubProgress } from '../../../plugins/hub/mod.ts'
import { resolveModel, resolveModelPart } from '../../../plugins/hub/mod.ts'
import { AT_ONCE, failure, hubSpace } from './_space.ts'
import type { FakeFile, FakeHub } from './_server.ts'
import { COMMIT, fakeHub, gitId, large, sha256, text } from './_server.ts'

const space = hubSpace()
const root = space.path
afterAll(() => space[Symbol.dispose]())

const REPO = 'org/tiny'
const WEIGHTS = large(300_000)
const MODEL: Record<string, FakeFile> = {
  'config.json': text('{"model_type":"llama"}'),
  'README.md': text('not needed'),
  'tokenizer.json': text('{}'),
  'additional_chat_templates/tool_use.jinja': text('T'),
  'model.safetensors': WEIGHTS,
  'pytorch_model.bin': large(10),
  'onnx/model.onnx': large(10),
  'empty.txt': text(''),
}

let cacheDir: string
let hub: FakeHub
beforeEach(() => {
  cacheDir = space.folder('cache')
  hub = fakeHub(REPO, MODEL)
})
afterEach(() => hub[Symbol.dispose]())

function options(more: HubOptions = {}): HubOptions {
  return {
    endpoint: hub.endpoint,
    cacheDir,
    token: false,
    ...AT_ONCE,
    retries: 3,
    ...more,
  }
}

const blobOf = (): string => join(cacheDir, 'models--org--tiny/blobs', sha256(WEIGHTS.content))
const contentRequests = (): string[] => hub.log.filter((line) => line.startsWith('cdn'))

describe('resolveModel() of local paths', () => {
  test('gives existing folders and files back as they are', async () => {
    const file = join(root, 'x.gguf')
    writeFileSync(file, '')
    expect(await resolveModel(root, options())).toBe(root)
    expect(await resolveModel(file, options())).toBe(file)
    expect(hub.log).toEqual([])
  })

  test('does not ask the hub for a path that does not exist', async () => {
    for (const path of ['./nothing', '../nothing', '/nothing/here', '~/models/x', 'C:\\models\\x']) {
      const error = await failure(resolveModel(path, options()))
      expect([error.code, error.place]).toEqual(['E_FILE', path])
    }
    expect(hub.log).toEqual([])
  })

  test('refuses what is neither a path nor a name', async () => {
    for (const reference of [
      'a/b/c',
      'org/na me',
      'org/..',
      'org/a..b',
      'org/x@../../y',
      '@main',
      'a/b/../c.gguf',
    ]) {
      expect((await failure(resolveModel(reference, options()))).code).toBe('E_HUB')
    }
    expect((await failure(resolveModel('org/tiny@a', options({ revision: 'b' })))).message).toMatch(
      /revision a, .* b/,
    )
    expect(hub.log).toEqual([])
  })
})

describe('resolveModel() of a hub model', () => {
  test('fills the cache as huggingface_hub lays it out, with the needed files only', async () => {
    const folder = await resolveModel(REPO, options())
    const repo = join(cacheDir, 'models--org--tiny')
    expect(folder).toBe(join(repo, 'snapshots', COMMIT))
    expect(readdirSync(folder).toSorted()).toEqual([
      'additional_chat_templates',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ])
    expect(readFileSync(join(repo, 'refs/main'), 'utf8')).toBe(COMMIT)
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(WEIGHTS.content)}`)
    expect(readlinkSync(join(folder, 'config.json'))).toBe(
      `../../blobs/${gitId(MODEL['config.json'].content)}`,
    )
    expect(readFileSync(join(folder, 'additional_chat_templates/tool_use.jinja'), 'utf8')).toBe('T')
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(readdirSync(join(repo, 'blobs')).filter((name) => name.endsWith('.incomplete'))).toEqual([])
  })

  test('downloads nothing twice, and a cached commit needs no network at all', async () => {
    await resolveModel(REPO, options())
    const before = contentRequests().length
    await resolveModel(REPO, options())
    expect(contentRequests().length).toBe(before)
    const requests = hub.log.length
    expect(await resolveModel(`${REPO}@${COMMIT}`, options())).toContain(COMMIT)
    expect(hub.log.length).toBe(requests)
  })

  test('reports progress up to the whole file', async () => {
    const seen: HubProgress[] = []
    await resolveModel(REPO, options({ onProgress: (progress) => seen.push(progress) }))
    const weights = seen.filter(({ file }) => file === 'model.safetensors')
    expect(weights.at(-1)).toEqual({ file: 'model.safetensors', received: 300_000, total: 300_000 })
    expect(weights.map(({ received }) => received)).toEqual(
      weights.map(({ received }) => received).toSorted((a, b) => a - b),
    )
  })

  test('takes a revision from the name or the options', async () => {
    await resolveModel(`${REPO}@refs/pr/1`, options())
    expect(hub.log[0]).toBe(`/api/models/${REPO}/revision/refs%2Fpr%2F1`)
    expect(readFileSync(join(cacheDir, 'models--org--tiny/refs/refs/pr/1'), 'utf8')).toBe(COMMIT)
  })

  test('downloads the shards that the index names', async () => {
    const index = {
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    }
    using sharded = fakeHub(REPO, {
      'config.json': text('{}'),
      'model.safetensors.index.json': text(JSON.stringify(index)),
      'model-00001-of-00002.safetensors': large(100),
      'model-00002-of-00002.safetensors': large(200),
      'model-00003-of-00003.safetensors': large(300),
    })
    const folder = await resolveModel(REPO, options({ endpoint: sharded.endpoint }))
    expect(readdirSync(folder).length).toBe(4)
    rmSync(join(folder, 'model-00002-of-00002.safetensors'))
    const error = await failure(resolveModel(REPO, options({ offline: true })))
    expect(error.message).toMatch(/cached copy is incomplete: model-00002-of-00002.safetensors is missing/)
  })

  test('downloads one GGUF file', async () => {
    using ggufs = fakeHub('org/tiny-gguf', {
      'q4.gguf': large(50),
      'sub/q8.gguf': large(60),
      'config.json': text('{}'),
    })
    const more = { endpoint: ggufs.endpoint }
    const path = await resolveModel('org/tiny-gguf/sub/q8.gguf', options(more))
    expect(path).toEndWith(join(COMMIT, 'sub/q8.gguf'))
    expect(readFileSync(path).length).toBe(60)
    expect(existsSync(join(path, '../../q4.gguf'))).toBe(false)
    expect((await failure(resolveModel('org/tiny-gguf/q5.gguf', options(more)))).message).toMatch(
      /no file q5.gguf; did you mean "q4.gguf"/,
    )
    expect((await failure(resolveModel('org/tiny-gguf', options(more)))).message).toMatch(
      /GGUF files only[^]*org\/tiny-gguf\/q4\.gguf/,
    )
  })

  test('refuses a model with pickled weights only', async () => {
    using pickled = fakeHub(REPO, { 'config.json': text('{}'), 'pytorch_model.bin': large(5) })
    const error = await failure(resolveModel(REPO, options({ endpoint: pickled.endpoint })))
    expect(error.message).toMatch(/no safetensors weights, only pickled ones/)
  })

  test('refuses a repository without a config before it downloads anything', async () => {
    for (const [files, message] of [
      [{ 'model.safetensors': large(5) }, /org\/tiny: the repository has no config\.json/],
      [{ 'q4.gguf': large(5) }, /GGUF files only[^]*org\/tiny\/q4\.gguf/],
      [{ 'README.md': text('x') }, /no safetensors weights/],
    ] as const) {
      using other = fakeHub(REPO, files)
      for (const resolve of [
        resolveModel,
        (ref: string, more: HubOptions) => resolveModelPart(ref, 'config', more),
      ])
        expect((await failure(resolve(REPO, options({ endpoint: other.endpoint })))).message).toMatch(message)
      expect(other.log.filter((line) => line.includes('/resolve/'))).toEqual([])
    }
  })

  test('refuses paths that lead out of the snapshot', async () => {
    using evil = fakeHub(REPO, { '../../../evil.json': text('x'), 'config.json': text('{}') })
    const error = await failure(resolveModel(REPO, options({ endpoint: evil.endpoint })))
    expect(error.message).toMatch(/makes no sense: a file has the path "..\/..\/..\/evil.json"/)
  })
})

/** Serves the first bytes of the weights only, once. */
function cutOnce(bytes: number): void {
  let cut = false
  hub.intercept = (path, request) => {
    if (path !== 'model.safetensors' || cut || request.headers.has('range')) return undefined
    cut = true
    return new Response(WEIGHTS.content.slice(0, bytes))
  }
}

describe('a broken download', () => {
  test('continues where it stopped', async () => {
    cutOnce(100_000)
    const folder = await resolveModel(REPO, options())
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(contentRequests()).toEqual(['cdn/model.safetensors', 'cdn/model.safetensors bytes=100000-'])
  })

  test('continues when the connection breaks in the middle', async () => {
    const dying = createServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${WEIGHTS.content.length}\r\n\r\n`)
      socket.write(WEIGHTS.content.slice(0, 90_000), () => setTimeout(() => socket.destroy(), 20))
    })
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve))
    const address = dying.address()
    let broken = false
    hub.intercept = (path) => {
      if (path !== 'model.safetensors' || broken || typeof address !== 'object') return undefined
      broken = true
      return new Response('', { status: 302, headers: { location: `http://127.0.0.1:${address?.port}/` } })
    }
    const folder = await resolveModel(REPO, options())
    dying.close()
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(contentRequests()).toEqual(['cdn/model.safetensors', 'cdn/model.safetensors bytes=90000-'])
  })

  test('is not blocked by the lock of a killed process', async () => {
    const lock = join(cacheDir, '.locks/models--org--tiny', `${sha256(WEIGHTS.content)}.lock`)
    mkdirSync(join(lock, '..'), { recursive: true })
    // Of this very process: the number says nothing, it may have come later.
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname() }))
    expect(await resolveModel(REPO, options())).toContain(COMMIT)
    expect(readFileSync(lock, 'utf8')).toBe('')
  })

  test('continues in a later run', async () => {
    cutOnce(100_000)
    const error = await failure(resolveModel(REPO, options({ retries: 0 })))
    expect(error.message).toMatch(/cut off after 100000 of 300000 bytes[^]*continues where it stopped/)
    expect(existsSync(blobOf())).toBe(false)
    expect(lstatSync(`${blobOf()}.incomplete`).size).toBe(100_000)
    const folder = await resolveModel(REPO, options())
    expect(contentRequests().at(-1)).toBe('cdn/model.safetensors bytes=100000-')
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
  })

  test('starts again when the server ignores ranges', async () => {
    using plain = fakeHub(REPO, MODEL, { ranges: false })
    mkdirSync(join(blobOf(), '..'), { recursive: true })
    writeFileSync(`${blobOf()}.incomplete`, WEIGHTS.content.slice(0, 5000))
    const folder = await resolveModel(REPO, options({ endpoint: plain.endpoint }))
    expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
  })

  test('starts again when what was there is wrong', async () => {
    for (const rest of [new Uint8Array(5000), new Uint8Array(300_000), new Uint8Array(400_000)]) {
      cacheDir = space.folder('cache')
      mkdirSync(join(blobOf(), '..'), { recursive: true })
      writeFileSync(`${blobOf()}.incomplete`, rest)
      const folder = await resolveModel(REPO, options())
      expect(new Uint8Array(readFileSync(join(folder, 'model.safetensors')))).toEqual(WEIGHTS.content)
    }
  })

  test('never gives content with the wrong hash its name', async () => {
    const altered = WEIGHTS.content.slice()
    altered[1234] ^= 1
    hub.intercept = (path) => (path === 'model.safetensors' ? new Response(altered) : undefined)
    const error = await failure(resolveModel(REPO, options()))
    expect(error.message).toMatch(
      /org\/tiny\/model.safetensors: the content does not have the announced hash/,
    )
    expect(existsSync(blobOf())).toBe(false)
    expect(contentRequests().length).toBe(4)
    cacheDir = space.folder('cache')
    hub.intercept = (path) => (path === 'config.json' ? new Response('{"model_type":"LLAMA"}') : undefined)
    expect((await failure(resolveModel(REPO, options()))).message).toMatch(/config.json: the content/)
    hub.intercept = (path) =>
      path === 'config.json' ? new Response('{"model_type":"llama"} and more') : undefined
    expect((await failure(resolveModel(REPO, options()))).message).toMatch(/more than the announced 22 bytes/)
  })

  test('waits for a server that is busy', async () => {
    let busy = 2
    hub.refuse = () =>
      busy-- > 0 ? new Response('', { status: 503, headers: { 'retry-after': '0' } }) : undefined
    expect(await resolveModel(REPO, options())).toContain(COMMIT)
    busy = 100
    expect((await failure(resolveModel(REPO, options()))).message).toMatch(/cannot answer now \(503\)/)
  })

  test('two downloads of the same file at once do not disturb each other', async () => {
    const folders = await Promise.all([resolveModel(REPO, options()), resolveModel(REPO, options())])
    expect(folders[0]).toBe(folders[1])
    expect(new Uint8Array(readFileSync(join(folders[0], 'model.safetensors')))).toEqual(WEIGHTS.content)
    expect(contentRequests()).toEqual(['cdn/model.safetensors'])
  })
})

describe('access', () => {
  test('sends the token to the hub and not to the host it redirects to', async () => {
    hub.token = 'hf_secret'
    await resolveModel(REPO, options({ token: 'hf_secret' }))
    expect(
      hub.log.filter((line) => line.startsWith('/')).every((line) => line.endsWith('auth=Bearer hf_secret')),
    ).toBe(true)
    expect(contentRequests()).toEqual(['cdn/model.safetensors'])
  })

  test('says how to get at a gated model', async () => {
    hub.token = 'hf_secret'
    const error = await failure(resolveModel(REPO, options()))
    expect(error.code).toBe('E_HUB')
    expect(error.message).toContain(`${REPO}: the model is gated`)
    expect(error.message).toContain(`accept the licence at ${hub.endpoint}/${REPO}, then set HF_TOKEN`)
  })

  const refusals: [number, Record<string, string>, string | false, RegExp][] = [
    [
      401,
      { 'x-error-code': 'RepoNotFound' },
      false,
      /no such model or dataset, or it is private or gated[^]*HF_TOKEN/,
    ],
    [401, {}, 'hf_bad', /the access token was refused[^]*check HF_TOKEN/],
    [403, {}, 'hf_good', /the model is gated/],
    [404, { 'x-error-code': 'RevisionNotFound' }, false, /no such revision/],
    [404, {}, false, /no such model, dataset or file/],
    [400, { 'x-error-message': 'bad name' }, false, /refused the request \(400: bad name\)/],
  ]
  test.each(refusals)('explains status %d with %o', async (status, headers, token, message) => {
    hub.refuse = () => new Response('', { status, headers })
    expect((await failure(resolveModel(REPO, options({ token })))).message).toMatch(message)
    expect(hub.log.length).toBe(1)
  })

  test('explains an answer that is not from a hub', async () => {
    hub.refuse = () => new Response('<html>log in to the Wi-Fi</html>')
    expect((await failure(resolveModel(REPO, options()))).message).toMatch(
      /makes no sense: it is no JSON[^]*proxy/,
    )
  })

  test('explains a network that is not there', async () => {
    const error = await failure(resolveModel(REPO, options({ endpoint: 'http://127.0.0.1:9', retries: 1 })))
    expect(error.message).toMatch(/cannot reach http:\/\/127.0.0.1:9[^]*offline/)
  })
})

describe('offline', () => {
  test('uses what is cached and asks nobody', async () => {
    const folder = await resolveModel(REPO, options())
    const requests = hub.log.length
    expect(await resolveModel(REPO, options({ offline: true }))).toBe(folder)
    expect(hub.log.length).toBe(requests)
  })

  test('says what is not cached', async () => {
    const error = await failure(resolveModel(REPO, options({ offline: true })))
    expect(error.message).toMatch(
      /org\/tiny: it is not in the cache, and the hub is switched off[^]*HF_HUB_OFFLINE/,
    )
    await resolveModel(REPO, options())
    expect((await failure(resolveModel(`${REPO}@v2`, options({ offline: true })))).message).toMatch(
      /@v2: it is not in/,
    )
  })
})
