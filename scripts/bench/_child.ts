/**
 * A program that answers each line on stdin with one line of JSON: both sides of a comparison speak this.
 */
import { TrituneError } from '../../core/errors.ts'
import { errorCode } from '../../core/files/files.ts'

export type Answer = Readonly<Record<string, unknown>>

export interface Child extends AsyncDisposable {
  /** Its first line, usually `{"ready": true, …}`. */
  readonly ready: Answer
  /** Sends a line and waits for the answer. E_NATIVE when it answers with an error or ends. */
  ask(line: string): Promise<Answer>
}

/** Starts the program and waits until it is ready. */
export async function startChild(
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const child = Bun.spawn([...command], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, ...env },
  })
  const complaints = new Response(child.stderr).text()
  const lines = readLines(child.stdout)
  const next = async (): Promise<Answer> => {
    const { value, done } = await lines.next()
    if (done) {
      const why = (await complaints).trim().split('\n').slice(-5).join('\n')
      throw new TrituneError('E_NATIVE', `${name} ended: ${why}`, {
        remedy: `try it by itself: ${command.join(' ')}`,
      })
    }
    const answer: Answer = JSON.parse(value)
    if (answer.error !== undefined) throw new TrituneError('E_NATIVE', `${name}: ${String(answer.error)}`)
    return answer
  }
  return {
    ready: await next(),
    ask(line) {
      child.stdin.write(`${line}\n`)
      child.stdin.flush()
      return next()
    },
    async [Symbol.asyncDispose]() {
      try {
        child.stdin.write('quit\n')
        await child.stdin.end()
      } catch (error) {
        // One that answers once has ended by itself.
        if (errorCode(error) !== 'EPIPE') throw error
      }
      await child.exited
    },
  }
}

/** A number of an answer. */
export function numberIn(answer: Answer, key: string): number {
  const value = answer[key]
  if (typeof value !== 'number')
    throw new TrituneError('E_FORMAT', `expected a number "${key}" in ${JSON.stringify(answer)}`)
  return value
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line.trim() !== '') yield line
  }
}
