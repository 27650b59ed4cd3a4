/**
 * A registry on this machine: verdaccio, which has what is published to it and hands on every other question to the registry that
 * is configured.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TrituneError } from '../../core/errors.ts'
import { run } from './run.ts'
import { toolModules } from './tools.ts'

export interface Registry extends AsyncDisposable {
  readonly url: string
  /** Publishes the package in a folder. */
  publish(folder: string): Promise<void>
}

/** `own`: patterns of names that are only here. verdaccio has to be installed. Throws E_HUB when it does not start. */
export async function startRegistry(folder: string, own: readonly string[]): Promise<Registry> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const upstream = (await run(['npm', 'config', 'get', 'registry'], { cwd: folder })).trim()
  writeFileSync(join(folder, 'config.yaml'), configuration(folder, upstream, own))
  // Any token does: whoever reaches this registry may publish.
  writeFileSync(join(folder, '.npmrc'), `registry=${url}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`)
  const script = join(toolModules('registry'), 'verdaccio/bin/verdaccio')
  const child = spawn(
    process.execPath,
    [script, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
  for (let tries = 0; !(await answers(url)); tries++) {
    if (child.exitCode === null && tries < 150) {
      await sleep(200)
      continue
    }
    await stop()
    throw new TrituneError('E_HUB', `the registry did not start:\n${log.trim()}`)
  }
  return {
    url,
    async publish(from) {
      const npmrc = join(folder, '.npmrc')
      await run(['npm', 'publish', '--userconfig', npmrc, '--registry', url], { cwd: from })
    },
    [Symbol.asyncDispose]: stop,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function configuration(folder: string, upstream: string, own: readonly string[]): string {
  const open = '{ access: $all, publish: $all, unpublish: $all }'
  return `storage: ${join(folder, 'storage')}
max_body_size: 100mb
uplinks: { upstream: { url: '${upstream}', cache: true, maxage: 60m, timeout: 60s } }
packages:
${own.map((name) => `  '${name}': ${open}`).join('\n')}
  '**': { access: $all, proxy: upstream }
log: { type: stdout, format: pretty, level: warn }
`
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}-/ping`)).ok
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
