/**
 * `tritune push` and `tritune cache` as commands: what they print, their exit codes, and that no token is told.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ggufFamily, writeGgufLora } from '../../plugins/gguf/mod.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { emptyRepo, type PushServer, pushServer } from '../plugins/hub/_push-server.ts'
import { large } from '../plugins/hub/_server.ts'
import { hubSpace } from '../plugins/hub/_space.ts'

const space = hubSpace()
const root = space.path
afterAll(() => space[Symbol.dispose]())
const folder = join(root, 'adapter')
mkdirSync(join(folder, 'checkpoint-2'), { recursive: true })
writeFileSync(
  join(folder, 'adapter_config.json'),
  '{"peft_type":"LORA","r":8,"base_model_name_or_path":"org/base"}',
)
writeFileSync(join(folder, 'adapter_model.safetensors'), new Uint8Array(5000))
writeFileSync(join(root, 'token'), 'hf_writer\n')

let hub: PushServer
beforeEach(() => {
  hub = pushServer()
})
afterEach(() => hub[Symbol.dispose]())

interface Answer {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** `before`: a command that starts it. */
function start(
  argv: readonly string[],
  before: readonly string[] = [],
  more: NodeJS.ProcessEnv = {},
): Bun.ReadableSubprocess {
  const {
    HF_TOKEN: _t,
    HF_HUB_OFFLINE: _o,
    TRANSFORMERS_OFFLINE: _f,
    HF_HUB_CACHE: _c,
    ...rest
  } = process.env
  const env = { ...rest, HF_ENDPOINT: hub.endpoint, HF_HOME: join(root, 'home'), HOME: root, ...more }
  return Bun.spawn([...before, process.execPath, join(ROOT, 'scripts/tritune.ts'), ...argv], {
    env,
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

async function answerOf(child: Bun.ReadableSubprocess): Promise<Answer> {
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, out, err }
}

const tritune = (...argv: readonly string[]): Promise<Answer> => answerOf(start(argv))

test('push uploads, says what was checked, and never the token', async () => {
  const token = join(root, 'token')
  const { code, out, err } = await tritune('push', folder, 'me/a', '--token-file', token, '--license', 'mit')
  expect(code).toBe(0)
  expect(out).toMatch(/^new repository; 3 files, .+, checked; commit [0-9a-f]{8}\n/)
  expect(out).toContain(`${hub.endpoint}/me/a\n`)
  expect(out + err).not.toContain('hf_writer')
  const card = Buffer.from(hub.files('me/a').get('README.md')?.content ?? []).toString()
  expect(card).toContain('license: "mit"')
  expect(card).toContain('base_model: "org/base"')
  expect(card).toContain('| r | 8 |')
})

test('a run on a base model of this machine: no link, a note, its rank once, and what ended it', async () => {
  const run = space.folder('run')
  const base = join(run, 'org/base')
  mkdirSync(base, { recursive: true })
  const config = { peft_type: 'LORA', r: 8, base_model_name_or_path: 'org/base' }
  writeFileSync(join(run, 'adapter_config.json'), JSON.stringify(config))
  writeFileSync(join(run, 'adapter_model.safetensors'), new Uint8Array(100))
  const settings = { lora_r: 8, max_steps: 60 }
  writeFileSync(join(run, 'finished.json'), JSON.stringify({ facts: { baseModel: base, settings } }))
  const { code, err } = await tritune('push', run, 'me/run', '--token-file', join(root, 'token'))
  expect(code).toBe(0)
  expect(err).toContain('names a base model on this machine (org/base)')
  const card = Buffer.from(hub.files('me/run').get('README.md')?.content ?? []).toString()
  expect(card).toContain('| lora_r | 8 |')
  expect(card).not.toContain('| r |')
  expect(card).not.toMatch(/base_model:|huggingface\.co\/org/)
})

test('a LoRA as GGUF: the card names the base that the file tells', async () => {
  const cardOf = async (name: string, base: string | undefined): Promise<string> => {
    const lora = space.folder(name)
    writeGgufLora(
      join(lora, 'lora.gguf'),
      { alpha: 1, pairs: [] },
      { family: ggufFamily('llama', 'a test'), name, base, nameOf: (hf) => hf, heads: 1, kvHeads: 1 },
    )
    const { code } = await tritune('push', lora, `me/${name}`, '--token-file', join(root, 'token'))
    expect(code).toBe(0)
    return Buffer.from(hub.files(`me/${name}`).get('README.md')?.content ?? []).toString()
  }
  const card = await cardOf('of-hub', 'org/base')
  expect(card).toContain('base_model: "org/base"')
  expect(card).toContain('GGUF files of [org/base](https://huggingface.co/org/base)')
  expect(await cardOf('of-name', 'poems')).toContain('GGUF files of `poems`')
  expect(await cardOf('of-none', undefined)).toContain('GGUF files, made with')
})

test('--dry-run lists and asks nobody', async () => {
  const { code, out } = await tritune('push', folder, 'me/a', '--dry-run')
  expect(code).toBe(0)
  expect(out).toMatch(
    /README\.md\n.*adapter_config\.json\n.*adapter_model\.safetensors\n +stays {2}checkpoint-2\n3 files/,
  )
  expect(hub.log).toEqual([])
})

test.each<[string, readonly string[], number, string]>([
  ['no token', [folder, 'me/a'], 1, 'there is no access token'],
  ['a name that is none', [folder, 'a'], 1, 'cannot be the name of a repository'],
  ['a folder that is not there', [join(root, 'nowhere'), 'me/a'], 1, 'cannot open the folder to push'],
  ['no repository', [folder], 2, 'name a folder and a repository'],
  ['a token file that is not there', [folder, 'me/a', '--token-file', '/nowhere'], 1, '/nowhere'],
])('%s is one clear error', async (_, argv, expected, said) => {
  const { code, err } = await tritune('push', ...argv)
  expect(code).toBe(expected)
  expect(err).toContain(said)
  expect(err).not.toContain('    at ')
})

const TOKEN = ['--token-file', join(root, 'token')]
const WEIGHTS = /^\/[0-9a-f]{64}/
const COMMIT = /\/commit\//
const at =
  (pattern: RegExp, status: number, headers: Record<string, string> = {}): PushServer['refuse'] =>
  (_, url) =>
    pattern.test(url.pathname) ? Response.json({ error: 'said no' }, { status, headers }) : undefined

test.each<[string, (hub: PushServer) => void, readonly string[], string]>([
  ['401', (hub) => (hub.token = 'another'), [], 'the access token was refused (401'],
  ['a token that may only read', (hub) => (hub.role = 'read'), [], 'the access token may only read'],
  ['403 for the repository', (hub) => (hub.refuse = at(/create$/, 403)), [], 'may not write there (403'],
  ['403 for the commit', (hub) => (hub.refuse = at(COMMIT, 403)), [], 'may not write there (403'],
  ['404', (hub) => (hub.refuse = at(COMMIT, 404)), [], 'there is no such repository (404'],
  ['409', (hub) => (hub.refuse = at(COMMIT, 409)), [], 'the repository is in the way (409'],
  ['413', (hub) => (hub.refuse = at(COMMIT, 413)), [], 'more than the hub takes at once (413'],
  [
    '429 for an hour',
    (hub) => (hub.refuse = at(COMMIT, 429, { 'retry-after': '3600' })),
    [],
    'asks to wait 60 minutes',
  ],
  ['500 for the commit', (hub) => (hub.refuse = at(COMMIT, 500)), [], 'the hub cannot answer now (500'],
  [
    '403 of the storage',
    (hub) => (hub.refuse = at(WEIGHTS, 403)),
    [],
    'the storage of the hub refused a file (403',
  ],
  [
    'a move',
    (hub) => (hub.refuse = at(COMMIT, 307, { location: '/other/name' })),
    [],
    'the repository has moved to',
  ],
  [
    'damage',
    (hub) => (hub.damage = (content) => content.slice(1)),
    [],
    'the upload is damaged: adapter_model.safetensors',
  ],
  [
    'a public repository',
    (hub) => hub.repos.set('me/a', emptyRepo()),
    ['--private'],
    'the repository is there and public',
  ],
  ['a pull request to nobody', () => undefined, ['--create-pr'], 'there is no such repository (404'],
  [
    'a page of a proxy',
    (hub) => (hub.refuse = (_, url) => (/preupload/.test(url.pathname) ? new Response('<html>') : undefined)),
    [],
    'the upload failed',
  ],
])('a hub that answers %s: exit code 1 and one clear error', async (name, prepare, argv, said) => {
  prepare(hub)
  const { code, out, err } = await tritune('push', folder, 'me/a', ...TOKEN, ...argv)
  expect([code, out]).toEqual([1, ''])
  expect(err).toStartWith('error: ')
  expect(err).toContain(said)
  expect(err.match(/^error: /gm)).toHaveLength(1)
  expect(err).toMatch(/^ {2}→ \S/m)
  expect(err).not.toMatch(/ {4}at |hf_writer/)
  if (name !== 'damage') expect([...hub.files('me/a')]).toEqual([])
})

test('offline nothing is asked', async () => {
  const offline = await answerOf(start(['push', folder, 'me/a', ...TOKEN], [], { HF_HUB_OFFLINE: '1' }))
  expect(offline).toMatchObject({ code: 1, out: '' })
  expect(offline.err).toMatch(/^error: me\/a: nothing can be uploaded offline\n {2}→ unset HF_HUB_OFFLINE/)
  expect(hub.log).toEqual([])
}, 30_000)

const readOnly = [
  'unshare',
  '-rm',
  'sh',
  '-c',
  'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && ! touch x 2>/dev/null && exec "$@"',
  root,
]
const canMount = Bun.which('unshare') !== null && Bun.spawnSync([...readOnly, 'true']).exitCode === 0

test.skipIf(!canMount)(
  'a disk that may only be read is enough: the card, too, is made in memory',
  async () => {
    const child = start(['push', folder, 'me/a', ...TOKEN], readOnly, { TMPDIR: root })
    const { code, err } = await answerOf(child)
    expect([code, err]).toEqual([0, ''])
    expect([...hub.files('me/a').keys()].toSorted()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
    ])
  },
  30_000,
)

describe('a push that is killed', () => {
  const big = space.folder('big')
  const weights = large(400_000).content
  writeFileSync(join(big, 'adapter_config.json'), '{"peft_type":"LORA","base_model_name_or_path":"org/base"}')
  writeFileSync(join(big, 'adapter_model.safetensors'), weights)
  const old = new Map([
    ['adapter_config.json', { content: new Uint8Array(Buffer.from('{"old":1}')), lfs: false }],
  ])

  test.each<[string, RegExp, boolean]>([
    ['while a large file is sent', WEIGHTS, false],
    ['between the large files and the commit', COMMIT, false],
    ['between the commit and the reading back', /paths-info/, true],
  ])(
    '%s leaves nothing half: the next one makes it whole',
    async (_, when, committed) => {
      const repo = emptyRepo()
      repo.refs.set('main', ['1'.repeat(40)])
      repo.commits.set('1'.repeat(40), old)
      hub.repos.set('me/a', repo)
      const child = start(['push', big, 'me/a', ...TOKEN])
      let killed = false
      hub.refuse = async (request, url) => {
        if (killed || !when.test(url.pathname)) return undefined
        killed = true
        if (when !== WEIGHTS) await request.arrayBuffer()
        child.kill('SIGKILL')
        await child.exited
        return new Response('', { status: 503 })
      }
      expect((await answerOf(child)).code).toBe(137)
      expect(killed).toBe(true)
      const sent = (): string[] => hub.log.filter((line) => line.startsWith('storage PUT'))
      // Either as it was, or all of it.
      expect(repo.refs.get('main')).toHaveLength(committed ? 2 : 1)
      if (!committed) expect(hub.files('me/a')).toEqual(old)
      const before = sent().length
      const { code, out } = await tritune('push', big, 'me/a', ...TOKEN)
      expect([code, out]).toEqual([0, expect.stringContaining('3 files')])
      // What arrived whole is not sent again.
      expect(sent().length - before).toBe(when === WEIGHTS ? 1 : 0)
      const files = hub.files('me/a')
      expect([...files.keys()].toSorted()).toEqual([
        'README.md',
        'adapter_config.json',
        'adapter_model.safetensors',
      ])
      expect(Buffer.from(files.get('adapter_model.safetensors')?.content ?? [])).toEqual(Buffer.from(weights))
      expect(Buffer.from(files.get('adapter_config.json')?.content ?? []).toString()).toContain('org/base')
    },
    30_000,
  )
})

test('cache lists, the largest first, and removes by name', async () => {
  for (const [name, bytes] of [
    ['models--org--small', 10],
    ['models--org--large', 5000],
  ] as const) {
    const place = join(root, 'home/hub', name)
    for (const part of ['refs', 'blobs', `snapshots/${'a'.repeat(40)}`])
      mkdirSync(join(place, part), { recursive: true })
    writeFileSync(join(place, 'refs/main'), 'a'.repeat(40))
    writeFileSync(join(place, `snapshots/${'a'.repeat(40)}/config.json`), new Uint8Array(bytes))
  }
  const { out } = await tritune('cache')
  expect(out).toMatch(/org\/large \(main\)\n.*org\/small \(main\)\n/)
  expect((await tritune('cache', '--remove', 'org/large')).err).toContain('removed org/large')
  const { models } = JSON.parse((await tritune('cache', '--json')).out)
  expect(models).toHaveLength(1)
  expect(models[0]).toMatchObject({ repo: 'org/small', bytes: 10 })
  const gone = await tritune('cache', '--remove', 'org/large')
  expect(gone).toMatchObject({ code: 1 })
  expect(gone.err).toContain('org/large is not in the cache')
})
