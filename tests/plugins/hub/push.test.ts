/**
 * Uploads: what arrives, what is refused, and what a push that fails leaves behind.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  planPush,
  preparePush,
  type PushOptions,
  pushFolder,
  resolveModel,
} from '../../../plugins/hub/mod.ts'
import { AT_ONCE, failure, hubSpace } from './_space.ts'
import { large } from './_server.ts'
import { emptyRepo, type PushServer, pushServer } from './_push-server.ts'

const space = hubSpace()
const root = space.path
afterAll(() => space[Symbol.dispose]())

const REPO = 'me/adapter'
const WEIGHTS = large(300_000).content
const CONFIG = '{"peft_type":"LORA","base_model_name_or_path":"org/base"}'

let hub: PushServer
let folder: string
let notes: string[]
beforeEach(() => {
  hub = pushServer()
  notes = []
  folder = space.folder('adapter')
  writeFileSync(join(folder, 'adapter_config.json'), CONFIG)
  writeFileSync(join(folder, 'adapter_model.safetensors'), WEIGHTS)
})
afterEach(() => hub[Symbol.dispose]())

function options(more: PushOptions = {}): PushOptions {
  return {
    endpoint: hub.endpoint,
    token: 'hf_writer',
    ...AT_ONCE,
    onNote: (note) => notes.push(note),
    ...more,
  }
}

const contents = (ref?: string): Record<string, string> =>
  Object.fromEntries(
    [...hub.files(REPO, ref)].map(([path, { content }]) => [path, Buffer.from(content).toString('base64')]),
  )
const base64 = (content: Uint8Array | string): string => Buffer.from(content).toString('base64')
const commits = (): number => hub.log.filter((line) => line.includes('/commit/')).length
const at = (pattern: RegExp, response: () => Response, times = Infinity) => {
  let left = times
  return (_: Request, url: URL): Response | undefined =>
    pattern.test(url.pathname) && left-- > 0 ? response() : undefined
}
const status =
  (code: number, body = '', headers: Record<string, string> = {}) =>
  (): Response =>
    new Response(body, { status: code, headers })

describe('pushFolder()', () => {
  test.each([undefined, 100_000])('every byte arrives, in one commit (parts of %p)', async (partBytes) => {
    hub.partBytes = partBytes
    const result = await pushFolder(folder, REPO, options({ card: '# card' }))
    expect(contents()).toEqual({
      'README.md': base64('# card'),
      'adapter_config.json': base64(CONFIG),
      'adapter_model.safetensors': base64(WEIGHTS),
    })
    expect(result).toMatchObject({ created: true, kind: 'adapter', url: `${hub.endpoint}/${REPO}` })
    expect(commits()).toBe(1)
    if (partBytes !== undefined)
      expect(hub.log.filter((line) => line.startsWith('storage PUT'))).toHaveLength(3)
  })

  test('the token goes to the hub and never to the storage', async () => {
    await pushFolder(folder, REPO, options())
    expect(hub.log.filter((line) => line.startsWith('storage') && line.includes('auth='))).toEqual([])
    expect(
      hub.log.filter((line) => !line.startsWith('storage') && !line.endsWith('auth=Bearer hf_writer')),
    ).toEqual([])
  })

  test('a README.md of the folder is kept', async () => {
    writeFileSync(join(folder, 'README.md'), 'mine')
    await pushFolder(folder, REPO, options({ card: '# card' }))
    expect(contents()['README.md']).toBe(base64('mine'))
  })

  test('what the repository has besides stays, and a second push replaces what changed', async () => {
    await pushFolder(folder, REPO, options())
    writeFileSync(join(folder, 'adapter_model.safetensors'), large(1000).content)
    rmSync(join(folder, 'adapter_config.json'))
    writeFileSync(join(folder, 'adapter_config.json'), '{}')
    const { created } = await pushFolder(folder, REPO, options())
    expect(created).toBe(false)
    expect(contents()['adapter_model.safetensors']).toBe(base64(large(1000).content))
    expect(contents()['adapter_config.json']).toBe(base64('{}'))
  })

  test('a branch is made, and main stays as it is', async () => {
    await pushFolder(folder, REPO, options({ revision: 'trial', message: 'First try' }))
    expect(Object.keys(contents('trial'))).toHaveLength(2)
    expect(contents()).toEqual({})
    expect(hub.repos.get(REPO)?.titles).toEqual(['First try'])
  })

  test('a pull request changes no branch and makes no repository', async () => {
    hub.repos.set(REPO, emptyRepo())
    const { url } = await pushFolder(folder, REPO, options({ createPr: true }))
    expect(url).toEndWith('/me/adapter/discussions/1')
    expect(Object.keys(contents('refs/pr/1'))).toHaveLength(2)
    expect(contents()).toEqual({})
    expect(hub.log.some((line) => line.includes('/create'))).toBe(false)
  })

  test('private: a new repository is, and a public one is refused before anything is sent', async () => {
    await pushFolder(folder, REPO, options({ private: true }))
    expect(hub.repos.get(REPO)?.isPrivate).toBe(true)
    hub.repos.set('me/open', emptyRepo())
    const { message } = await failure(pushFolder(folder, 'me/open', options({ private: true })))
    expect(message).toContain('the repository is there and public')
    expect([...hub.files('me/open')]).toEqual([])
  })

  test('what was pushed is what a download gets', async () => {
    writeFileSync(join(folder, 'config.json'), '{"model_type":"llama"}')
    writeFileSync(join(folder, 'model.safetensors'), WEIGHTS)
    await pushFolder(folder, REPO, options())
    const cacheDir = space.folder('cache')
    const got = await resolveModel(REPO, {
      endpoint: hub.endpoint,
      token: 'hf_writer',
      cacheDir,
      offline: false,
    })
    expect(await Bun.file(join(got, 'model.safetensors')).bytes()).toEqual(WEIGHTS)
  })
})

describe('what is read back', () => {
  test.each<[string, (content: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, string]>([
    ['cut', (content) => content.slice(0, 1000), 'has 1000 bytes instead of 300000'],
    ['empty', () => new Uint8Array(), 'has 0 bytes instead of 300000'],
    [
      'changed',
      (content) => content.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
      'has another hash than here',
    ],
  ])('a large file that arrived %s is named', async (_, damage, said) => {
    hub.damage = damage
    const { message, code } = await failure(pushFolder(folder, REPO, options()))
    expect(code).toBe('E_HUB')
    expect(message).toContain(`the upload is damaged: adapter_model.safetensors ${said}`)
  })

  test('a small file that is another is named', async () => {
    hub.refuse = at(/paths-info/, () =>
      Response.json([
        { type: 'file', path: 'adapter_config.json', size: CONFIG.length, oid: 'a'.repeat(40) },
      ]),
    )
    const { message } = await failure(pushFolder(folder, REPO, options()))
    expect(message).toContain('adapter_config.json has another hash than here')
  })

  test('a file that is not there is named', async () => {
    hub.refuse = at(/paths-info/, () => Response.json([]))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain(
      'adapter_config.json is not there',
    )
  })
})

describe('a hub that refuses', () => {
  test.each<[string, number, RegExp, string]>([
    ['401 for the token', 401, /whoami/, 'the access token was refused (401'],
    ['403 for the repository', 403, /create$/, 'the access token may not write there (403'],
    ['403 for the commit', 403, /commit/, 'the access token may not write there (403'],
    ['404 for the commit', 404, /commit/, 'there is no such repository (404'],
    ['409 for the commit', 409, /commit/, 'the repository is in the way (409'],
    ['413', 413, /commit/, 'more than the hub takes at once (413'],
    ['400 with a reason', 400, /commit/, 'the hub refused the upload (400: no such [2J thing)'],
    ['403 of the storage', 403, /^\/[0-9a-f]{64}/, 'the storage of the hub refused a file (403'],
    ['400 for large files', 400, /objects\/batch/, 'the hub refused the upload (400'],
  ])('%s', async (_, code, pattern, said) => {
    hub.refuse = at(pattern, () => Response.json({ error: 'no such\u001b[2J\n thing' }, { status: code }))
    const error = await failure(pushFolder(folder, REPO, options()))
    expect(error.message).toContain(said)
    expect([...error.message].filter((c) => c < ' ' && c !== '\n')).toEqual([])
    expect(error.message).not.toContain('hf_writer')
    expect(error.remedy).toBeDefined()
    expect(contents()).toEqual({})
  })

  test.each([429, 500, 502, 503, 504])('%p of the storage passes when it is tried again', async (code) => {
    hub.refuse = at(/^\/[0-9a-f]{64}/, status(code), 2)
    await pushFolder(folder, REPO, options())
    expect(contents()['adapter_model.safetensors']).toBe(base64(WEIGHTS))
  })

  test.each([429, 503, 412])('%p for the commit is tried again: there is none yet', async (code) => {
    hub.refuse = at(/commit/, status(code), 2)
    await pushFolder(folder, REPO, options())
    expect(commits()).toBe(3)
    expect(Object.keys(contents())).toHaveLength(2)
  })

  test('Retry-After is obeyed, and told', async () => {
    hub.refuse = at(/preupload/, status(429, '', { 'retry-after': '1' }), 1)
    const began = performance.now()
    await pushFolder(folder, REPO, options())
    expect(performance.now() - began).toBeGreaterThan(950)
  })

  test('a wait that is too long is an error that says how long', async () => {
    hub.refuse = at(/preupload/, status(429, '', { 'retry-after': '3600' }))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain('asks to wait 60 minutes')
  })

  test('one that goes on refusing is given up', async () => {
    hub.refuse = at(/preupload/, status(503))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain(
      'the hub cannot answer now (503',
    )
    expect(hub.log.filter((line) => line.includes('preupload'))).toHaveLength(3)
  })

  test('500 for the commit is not sent again', async () => {
    hub.refuse = at(/commit/, status(500))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain(
      'the hub cannot answer now (500',
    )
    expect(commits()).toBe(1)
  })

  test('504 for a commit that was made all the same is no failure', async () => {
    hub.loseCommit = true
    await pushFolder(folder, REPO, options())
    expect(commits()).toBe(1)
    expect(contents()['adapter_model.safetensors']).toBe(base64(WEIGHTS))
  })

  test('a repository that has moved is named, not followed', async () => {
    hub.repos.set(REPO, emptyRepo())
    hub.refuse = at(/commit/, status(307, '', { location: '/api/models/me/other/commit/main' }))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain('/api/models/me/other')
  })

  test('a token that may only read is told before anything is made', async () => {
    hub.role = 'read'
    expect((await failure(preparePush(REPO, options()))).message).toContain('the access token may only read')
    expect(hub.repos.size).toBe(0)
  })

  test('no token, and offline', async () => {
    const none = await failure(pushFolder(folder, REPO, options({ token: false })))
    expect(none.message).toContain('there is no access token')
    expect(hub.log).toEqual([])
  })

  test('a repository that somebody made meanwhile is used', async () => {
    hub.refuse = (_, url) => {
      if (url.pathname.endsWith('/create')) hub.repos.set(REPO, emptyRepo())
      return undefined
    }
    await pushFolder(folder, REPO, options())
    expect(Object.keys(contents())).toHaveLength(2)
  })

  test('an answer that is no hub’s is one clear error', async () => {
    hub.refuse = at(/preupload/, status(200, '<html>login</html>'))
    expect((await failure(pushFolder(folder, REPO, options()))).message).toContain('the upload failed')
  })
})

describe('a push that stops half-way', () => {
  test('leaves the repository as it was', async () => {
    await pushFolder(folder, REPO, options())
    const before = contents()
    writeFileSync(join(folder, 'adapter_model.safetensors'), large(5000).content)
    const stop = new AbortController()
    hub.refuse = (_, url) => {
      if (/^\/[0-9a-f]{64}/.test(url.pathname)) stop.abort()
      return undefined
    }
    const error = await failure(pushFolder(folder, REPO, options({ signal: stop.signal })))
    expect(error.message).toContain('the upload was stopped')
    expect(contents()).toEqual(before)
  })

  test('a connection that is cut while a large file is sent is an error, and no commit', async () => {
    hub.refuse = (request, url) => {
      if (!/^\/[0-9a-f]{64}/.test(url.pathname)) return undefined
      return request.body?.cancel().then(() => new Response('', { status: 502 }))
    }
    await failure(pushFolder(folder, REPO, options()))
    expect(contents()).toEqual({})
  })

  test('an endpoint where nobody is', async () => {
    hub[Symbol.dispose]()
    expect((await failure(pushFolder(folder, REPO, options({ retries: 0 })))).message).toContain(
      'cannot reach',
    )
  })
})

describe('planPush()', () => {
  const plan = (): string[] => planPush(folder, REPO).files.map(({ path }) => path)

  test('leaves checkpoints, temporary and hidden files', () => {
    mkdirSync(join(folder, 'checkpoint-10'))
    mkdirSync(join(folder, '.git'))
    mkdirSync(join(folder, 'sub/.cache'), { recursive: true })
    for (const name of [
      'checkpoint-10/adapter_model.safetensors',
      '.git/config',
      '.env',
      '.tritune.lock',
      '.adapter_model.safetensors.tmp-host-1-abc',
      'finished.json',
      'notes~',
      'x.incomplete',
      'sub/.cache/x',
      'training_state.json',
      'state.safetensors',
    ])
      writeFileSync(join(folder, name), 'x')
    writeFileSync(join(folder, 'sub/kept.txt'), 'x')
    writeFileSync(join(folder, 'metrics.jsonl'), 'x')
    expect(plan()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'metrics.jsonl',
      'sub/kept.txt',
    ])
  })

  test('a link to a file is that file; a broken one, and one to a folder, are errors', () => {
    writeFileSync(join(root, 'elsewhere'), '12345')
    symlinkSync(join(root, 'elsewhere'), join(folder, 'linked.txt'))
    expect(planPush(folder, REPO).files.at(-1)).toMatchObject({ path: 'linked.txt', bytes: 5 })
    symlinkSync(join(root, 'nowhere'), join(folder, 'broken'))
    expect(() => plan()).toThrow('broken')
    rmSync(join(folder, 'broken'))
    symlinkSync(root, join(folder, 'up'))
    expect(() => plan()).toThrow('this is no file')
  })

  test('into a folder of the repository', () => {
    const { files } = planPush(folder, REPO, { into: 'last-checkpoint', withState: true })
    expect(files[0].path).toBe('last-checkpoint/adapter_config.json')
  })

  test('a folder without a result is refused, and its newest checkpoint named', () => {
    const empty = space.folder('empty')
    expect(() => planPush(empty, REPO)).toThrow('neither an adapter nor a model')
    mkdirSync(join(empty, 'checkpoint-7'))
    expect(() => planPush(empty, REPO)).toThrow('checkpoint-7')
    expect(() => planPush(join(root, 'nowhere'), REPO)).toThrow('cannot open the folder to push')
  })

  test.each([
    'name',
    'a/b/c',
    '../x',
    'me/',
    'me/-x',
    'me/a--b',
    'me/a..b',
    'me/x.git',
    'me/x y',
    '/tmp/x',
    '',
  ])('the name %p is refused', (name) => {
    expect(() => planPush(folder, name)).toThrow('cannot be the name of a repository')
  })
})
