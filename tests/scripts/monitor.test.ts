/**
 * `tritune monitor`: it says where the page is, ends at a signal, and refuses what cannot be.
 */
import { describe, expect, test } from 'bun:test'
import { openHttpServer } from '../../plugins/http/mod.ts'
import { temporaryFolder } from '../_golden.ts'
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

describe('refuses', () => {
  test.each([
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
