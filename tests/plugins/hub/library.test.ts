/**
 * What `@huggingface/hub` 2.17 does with downloads, and with uploads from a `file:` address in Bun: why downloads are our
 * own, and why uploads get their files as Blobs. A test that fails here says that the library has changed, and that
 * plugins/hub/README.md is to be read again.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { downloadFileToCacheDir, uploadFiles } from '@huggingface/hub'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolveModel } from '../../../plugins/hub/mod.ts'
import { hubSpace } from './_space.ts'
import { large, sha256, text } from './_server.ts'
import { emptyRepo, type PushServer, pushServer } from './_push-server.ts'

const space = hubSpace()
const root = space.path
afterAll(() => space[Symbol.dispose]())

const REPO = 'me/model'
const WEIGHTS = large(60_000).content
const COMMIT = 'c'.repeat(40)
let hub: PushServer
let cacheDir: string
beforeEach(() => {
  hub = pushServer()
  cacheDir = space.folder('cache')
  const repo = emptyRepo()
  repo.refs.set('main', [COMMIT])
  repo.commits.set(
    COMMIT,
    new Map([
      ['config.json', { content: text('{"model_type":"llama"}').content, lfs: false }],
      ['model.safetensors', { content: WEIGHTS, lfs: true }],
    ]),
  )
  hub.repos.set(REPO, repo)
})
afterEach(() => hub[Symbol.dispose]())

/** Serves this instead of the weights. */
function serve(body: Uint8Array<ArrayBuffer>, status = 200): void {
  hub.refuse = (request, url) =>
    url.pathname.endsWith('/resolve/main/model.safetensors') ||
    url.pathname.endsWith(`/resolve/${COMMIT}/model.safetensors`)
      ? answer(request, body, status)
      : undefined
}

function answer(request: Request, body: Uint8Array<ArrayBuffer>, status: number): Response {
  const headers = {
    etag: `"${sha256(WEIGHTS)}"`,
    'x-repo-commit': COMMIT,
    'x-linked-size': String(WEIGHTS.length),
    'x-linked-etag': `"${sha256(WEIGHTS)}"`,
  }
  const range = /^bytes=(\d+)-(\d*)/.exec(request.headers.get('range') ?? '')
  if (range === null || status !== 200) return new Response(body, { status, headers })
  const [start, end] = [Number(range[1]), range[2] === '' ? body.length : Number(range[2]) + 1]
  return new Response(body.slice(start, end), {
    status: 206,
    headers: {
      ...headers,
      'content-range': `bytes ${start}-${Math.min(end, body.length) - 1}/${body.length}`,
    },
  })
}

const theirs = (): Promise<string> =>
  downloadFileToCacheDir({
    repo: REPO,
    path: 'model.safetensors',
    hubUrl: hub.endpoint,
    cacheDir,
  })
const ours = (): Promise<string> =>
  resolveModel(REPO, {
    endpoint: hub.endpoint,
    cacheDir,
    token: false,
    offline: false,
    retries: 1,
    retryDelayMs: 1,
  })

describe('a download', () => {
  const damaged = WEIGHTS.map((byte, i) => (i === 1000 ? byte ^ 1 : byte))

  test('with a changed byte: theirs stores it under the hash of the right one; ours refuses', async () => {
    serve(damaged)
    const path = await theirs()
    expect(sha256(readFileSync(path))).toBe(sha256(damaged))
    rmSync(join(cacheDir, 'models--me--model'), { recursive: true })
    await expect(ours()).rejects.toThrow('does not have the announced hash')
  })

  test('after a part: theirs starts at byte 0; ours goes on', async () => {
    const blobs = join(cacheDir, 'models--me--model', 'blobs')
    const partial = join(blobs, `${sha256(WEIGHTS)}.incomplete`)
    const ranges: string[] = []
    hub.refuse = (request, url) => {
      if (url.pathname.endsWith('model.safetensors')) ranges.push(request.headers.get('range') ?? 'none')
      return undefined
    }
    mkdirSync(blobs, { recursive: true })
    writeFileSync(partial, WEIGHTS.slice(0, 50_000))
    await theirs()
    expect(ranges.filter((range) => range.startsWith('bytes=50000'))).toEqual([])
    rmSync(join(cacheDir, 'models--me--model'), { recursive: true })
    mkdirSync(blobs, { recursive: true })
    writeFileSync(partial, WEIGHTS.slice(0, 50_000))
    ranges.length = 0
    await ours()
    expect(ranges).toEqual(['bytes=50000-'])
  })

  test('with one 503: theirs fails; ours asks again', async () => {
    const once = (): void => {
      let left = 1
      hub.refuse = (_, url) =>
        url.pathname.endsWith('model.safetensors') && left-- > 0
          ? new Response('', { status: 503 })
          : undefined
    }
    once()
    await expect(theirs()).rejects.toThrow('503')
    once()
    expect(readFileSync(join(await ours(), 'model.safetensors'))).toHaveLength(WEIGHTS.length)
  })
})

test('an upload from a file: address sends nothing in Bun, and is told to be done', async () => {
  const file = join(root, 'x.safetensors')
  writeFileSync(file, WEIGHTS)
  await uploadFiles({
    repo: REPO,
    files: [{ path: 'x.safetensors', content: pathToFileURL(file) }],
    accessToken: 'hf_writer',
    hubUrl: hub.endpoint,
    useXet: false,
  })
  expect(hub.files(REPO).get('x.safetensors')?.content).toHaveLength(0)
})
