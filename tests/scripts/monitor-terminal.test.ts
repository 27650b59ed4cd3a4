/**
 * `tritune monitor` in a terminal: 80 × 24, left by a key and by a signal, and what it says where there is no terminal.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { temporaryFolder } from '../_golden.ts'
import { writeRunFolder } from '../plugins/runs/_folder.ts'

const COMMAND = [process.execPath, join(import.meta.dir, '../../scripts/tritune.ts'), 'monitor']

async function inTerminal(
  end: (process: Bun.Subprocess) => void,
): Promise<{ readonly written: string; readonly code: number }> {
  using folder = temporaryFolder()
  writeRunFolder(join(folder.path, 'run'), { run_name: 'whales', status: 'completed', total_steps: 9 })
  let written = ''
  let isEnding = false
  const process = Bun.spawn([...COMMAND, folder.path], {
    terminal: {
      cols: 80,
      rows: 24,
      data(_, bytes) {
        written += new TextDecoder().decode(bytes)
        if (isEnding || !written.includes('whales')) return
        isEnding = true
        end(process)
      },
    },
  })
  const code = await process.exited
  process.terminal?.close()
  return { written, code }
}

test('draws the run, and gives the terminal back at q', async () => {
  const { written, code } = await inTerminal((process) => process.terminal?.write('q'))
  expect(code).toBe(0)
  expect(written).toContain('completed')
  expect(written).toContain('q leave')
  expect(written.trimEnd().endsWith('\u001b[?1049l')).toBe(true)
}, 20_000)

test('gives it back at a signal, too', async () => {
  const { written } = await inTerminal((process) => process.kill('SIGTERM'))
  expect(written.trimEnd().endsWith('\u001b[?1049l')).toBe(true)
}, 20_000)

test.each([
  [[], 'needs a terminal'],
  [['--port', '1'], '--port is for the page in the browser'],
])('without one: %j', async (options, message) => {
  const process = Bun.spawn([...COMMAND, ...options], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  expect(await new Response(process.stderr).text()).toContain(message)
  expect(await process.exited).toBe(2)
})
