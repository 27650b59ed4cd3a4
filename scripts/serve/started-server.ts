/** `tritune serve` as a process of its own, for measurements: what clients cost is then not the server's. */
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'

export interface StartedServer extends AsyncDisposable {
  /** `http://127.0.0.1:40000` */
  readonly url: string
}

/** Resolves when it serves. Its options beside those given: a free port. E_NATIVE when it ends before that. */
export async function startServer(model: string, options: readonly string[] = []): Promise<StartedServer> {
  const command = [process.execPath, `${ROOT}scripts/serve.ts`, model, '--port', '0', ...options]
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
  let told = ''
  for await (const chunk of child.stdout) {
    told += new TextDecoder().decode(chunk)
    const [, url] = /OpenAI +base URL (\S+)\/v1\n/.exec(told) ?? []
    if (url === undefined) continue
    return {
      url,
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM')
        await child.exited
      },
    }
  }
  throw new TrituneError('E_NATIVE', `the server ended: ${told.trim()}`)
}
