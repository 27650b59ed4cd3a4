/**
 * `tritune monitor`: it says where the page is, ends at a signal, and refuses what cannot be.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openHttpServer } from '../../plugins/http/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { ask, until } from '../plugins/monitor/_client.ts'
import { commandLine, RUNTIMES, tritune } from './_command.ts'

describe.each(RUNTIMES)('in %s', (runtime) => {
  test('the page opens at the address that is printed, and Ctrl-C ends it', async () => {
    using folder = temporaryFolder()
    const child = Bun.spawn(commandLine(runtime, ['monitor', folder.path, '--web', '--port', '0']), {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader()
    let said = ''
    while (!said.includes('Ctrl-C')) {
      const { value, done } = await reader.read()
      if (done) break
      said += value
    }
    const [, page, token] = /^(http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{32})\n/.exec(said) ?? []
    expect(await (await fetch(page)).text()).toContain('<title>tritune</title>')
    expect((await fetch(`${page}/api/runs`)).status).toBe(401)
    const runs = await fetch(`${page}/api/runs`, { headers: { authorization: `Bearer ${token}` } })
    expect(await runs.json()).toEqual({ runs: [] })
    child.kill('SIGINT')
    expect(await child.exited).toBe(0)
    expect(await new Response(child.stderr).text()).toBe('')
  }, 60_000)
})

test('Ctrl-C waits for the run that was started on the page, and says how it ended', async () => {
  using folder = temporaryFolder()
  const [root, model, data] = ['outputs', 'model', 'data.jsonl'].map((name) => join(folder.path, name))
  writeTinyModel(model)
  writeFileSync(data, '{"text": "one two three four"}\n'.repeat(40))
  const child = Bun.spawn(commandLine('bun', ['monitor', root, '--web', '--port', '0']), {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let said = ''
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text
    if (said.includes('Ctrl-C')) break
  }
  const [, port, token] = /^http:\/\/127\.0\.0\.1:(\d+)\/#token=([\w-]{32})\n/.exec(said) ?? []
  const monitor = { port: Number(port), token }
  const made = await ask(monitor, '/api/finetune/draft', {
    body: { model, data, name: 'long', adapter: 'lora' },
  })
  const text = String(made.body.text).replace(/^num_epochs: .*$/m, 'num_epochs: 100000')
  expect((await ask(monitor, '/api/finetune/start', { body: { name: 'long', text } })).status).toBe(200)
  const file = join(root, 'long/run.json')
  await until(() => existsSync(file) && readFileSync(file, 'utf8').includes('"running"'), 40)
  child.kill('SIGINT')
  expect(await child.exited).toBe(0)
  const ended = await new Response(child.stderr).text()
  expect(ended).toContain('waiting for the run')
  expect(ended).toMatch(/long: stopped; it can be resumed\n {2}.*finetune .*--resume/)
}, 90_000)

describe('refuses', () => {
  test.each([
    [
      ['--web', 'package.json', '--port', '0'],
      1,
      'package.json: it is a file; runs are looked for in folders',
    ],
    [['--web', '--port', 'x'], 2, '--port: expected a port from 0 to 65535, got "x"'],
    [['--web', '--port', '99999'], 2, '--port: expected a port from 0 to 65535, got "99999"'],
    [['--web', '--host', 'not.a.host.invalid', '--port', '0'], 2, 'cannot listen'],
  ])('%p', (args, code, what) => {
    const said = tritune(['monitor', ...args])
    expect([said.code, said.stderr]).toEqual([code, expect.stringContaining(what)])
  })

  test('a port that is taken', async () => {
    await using other = await openHttpServer({ token: 'x', routes: [], onBug: () => {} })
    const child = Bun.spawn(commandLine('bun', ['monitor', '--web', '--port', String(other.port)]), {
      stdout: 'ignore',
      stderr: 'pipe',
    })
    expect(await new Response(child.stderr).text()).toContain(`port ${other.port} is taken`)
    expect(await child.exited).toBe(1)
  })
})
