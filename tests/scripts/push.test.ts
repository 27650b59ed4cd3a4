/**
 * `tritune push` and `tritune cache` as commands: what they print, their exit codes, and that no token is told.
 */
import { afterAll, afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../scripts/_setup.ts'
import { type PushServer, pushServer } from '../plugins/hub/_push-server.ts'

const root = mkdtempSync(join(tmpdir(), 'tritune-push-command-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
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

async function tritune(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const {
    HF_TOKEN: _t,
    HF_HUB_OFFLINE: _o,
    TRANSFORMERS_OFFLINE: _f,
    HF_HUB_CACHE: _c,
    ...rest
  } = process.env
  const env = { ...rest, HF_ENDPOINT: hub.endpoint, HF_HOME: join(root, 'home'), HOME: root }
  const child = Bun.spawn([process.execPath, join(ROOT, 'scripts/tritune.ts'), ...argv], {
    env,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, out, err }
}

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
