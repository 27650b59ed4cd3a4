/**
 * `tritune serve`: it says where it serves, answers alike in Bun and Deno, ends at a signal, and refuses what cannot be.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHATML } from '../../plugins/data/mod.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { temporaryFolder } from '../_golden.ts'
import { commandLine, RUNTIMES, tritune } from './_command.ts'

const MODEL = join(ROOT, 'quickstart/model')

interface Started {
  readonly url: string
  readonly said: string
  readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>
}

async function start(runtime: (typeof RUNTIMES)[number], args: readonly string[]): Promise<Started> {
  const child = Bun.spawn(commandLine(runtime, ['serve', MODEL, '--port', '0', ...args]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader()
  let said = ''
  while (!/^Claude .*\n/m.test(said)) {
    const { value, done } = await reader.read()
    if (done) throw new Error(await new Response(child.stderr).text())
    said += value
  }
  const [, url = ''] = /^chat +(http:\/\/[^/\s]+)/m.exec(said) ?? []
  return { url, said, child }
}

test.each(RUNTIMES)(
  'in %s: the same text for the same seed, and a signal ends it',
  async (runtime) => {
    const { url, said, child } = await start(runtime, [
      '--name',
      'whale',
      '--api-key',
      'secret',
      '--context',
      '128',
    ])
    expect(said).toContain('serving  whale\n')
    // The key that was given is not printed.
    expect(said).not.toContain('secret')
    const ask = async (headers: Record<string, string>): Promise<Response> =>
      await fetch(`${url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model: 'whale', prompt: 'Call me', max_tokens: 12, seed: 7 }),
      })
    expect((await ask({})).status).toBe(401)
    const answer = await (await ask({ authorization: 'Bearer secret' })).json()
    const [{ text }] = answer.choices
    expect(text.length).toBeGreaterThan(5)
    texts.add(text)
    expect(texts.size).toBe(1)
    expect((await (await fetch(`${url}/`)).text()).includes('chat.js')).toBe(true)
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect(await new Response(child.stderr).text()).toBe('')
  },
  60_000,
)

/** Of all runtimes. */
const texts = new Set<string>()

test('the first command of the docs, and what its clients say', async () => {
  const page = readFileSync(join(ROOT, 'docs/serve.md'), 'utf8')
  const [, model, given = ''] = /^bun run serve (\S+)(.*)$/m.exec(page) ?? []
  expect(model).toBe('quickstart/model')
  const { url, said, child } = await start('bun', given.trim().split(/\s+/))
  expect(said).toContain('serving  model\n')
  const blocks = [...page.matchAll(/^```js\n(import [^]*?)^```$/gm)].map(([, code]) => code)
  expect(blocks).toHaveLength(2)
  for (const code of blocks) {
    expect(code).toContain('http://127.0.0.1:8080')
    const client = Bun.spawn([process.execPath, '-e', code.replace('http://127.0.0.1:8080', url)], {
      cwd: ROOT,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [text, complaint] = await Promise.all([
      new Response(client.stdout).text(),
      new Response(client.stderr).text(),
    ])
    expect([await client.exited, complaint]).toEqual([0, ''])
    expect(text.length).toBeGreaterThan(20)
  }
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
}, 60_000)

test('messages to a model without a template: the error names the option', async () => {
  const { url, child } = await start('bun', [])
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'model', messages: [{ role: 'user', content: 'Hello' }] }),
  })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain('--chat-template chatml')
  child.kill('SIGTERM')
  await child.exited
}, 60_000)

test('generate --chat takes a template by name or as a file', () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'mine.jinja'), CHATML)
  const made = ['chatml', join(folder.path, 'mine.jinja')].map((template) =>
    tritune([
      'generate',
      MODEL,
      '--chat',
      '--chat-template',
      template,
      '--prompt',
      'Hi',
      '--max-new-tokens',
      '8',
    ]),
  )
  expect(made.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ])
  expect(made[0].stdout.trim().length).toBeGreaterThan(0)
  expect(made[1].stdout).toBe(made[0].stdout)
  const without = tritune(['generate', MODEL, '--chat-template', 'chatml', '--prompt', 'Hi'])
  expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--chat-template needs --chat')])
}, 60_000)

describe('refuses before it serves', () => {
  test.each([
    [['--port', 'x'], 2, '--port: expected a port'],
    [['--parallel', '0'], 2, '--parallel: expected an integer from 1'],
    [['--context', '100000'], 1, 'texts of 100000 tokens: the model knows 512'],
    [['--api-key', 'two words'], 2, '--api-key: expected'],
    [['--adapter', 'a=x', '--adapter', 'a=y'], 2, 'two are called "a"'],
    [['--adapter', 'model=x'], 1, 'both called "model"'],
    [['--adapter', 'a=no-such-folder'], 1, 'no-such-folder'],
    [['--chat-template', 'chatlm'], 1, 'did you mean "chatml"'],
    [['--chat-template', 'llama3'], 1, 'is of another family'],
    [['--host', 'not.a.host.invalid', '--port', '0'], 2, 'cannot listen'],
  ])('%p', (args, code, what) => {
    using folder = temporaryFolder()
    const said = tritune(['serve', MODEL, ...args], { cwd: folder.path })
    expect([said.code, said.stderr]).toEqual([code, expect.stringContaining(what)])
  })
})
