/**
 * Commands of tritune as processes of their own, told by their JSON lines: what they take of memory and time is theirs, and one that fails is an error here
 * with the same code, place and remedy.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { TrituneError } from '../../../core/mod.ts'

/** A line of a command with `--json`; plain text where it has no JSON. */
export interface CommandLine {
  readonly type: string
  readonly [field: string]: unknown
}

export interface StartedCommand {
  /** Asks it by a signal to end; nothing where it has ended. */
  stop(signal: 'SIGTERM'): void
  /** Resolves at the end with its exit code; null: a signal ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

const STDERR_KEPT = 4000

/** Starts it; `onLine` gets what it says, as it comes. */
export function startCommand(
  command: readonly string[],
  onLine: (line: CommandLine) => void,
  { signal }: { readonly signal?: AbortSignal } = {},
): StartedCommand {
  const [program, ...args] = command
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal of this process is for this process. On Windows that would open a window.
    detached: process.platform !== 'win32',
    windowsHide: true,
    ...(signal ? { signal } : {}),
  })
  let stderr = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => (stderr = (stderr + text).slice(-STDERR_KEPT)))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (text) => onLine(lineOf(text)))
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new TrituneError('E_FILE', `cannot start ${program}: ${cause.message}`, { cause })),
    )
    // Not `exit`: what it said last may come after that.
    child.once('close', (code) => resolve({ code, stderr }))
  })
  return { stop: (name) => void child.kill(name), ended }
}

/**
 * Runs a command to its end and gives its lines. Throws what it tells as its error.
 *
 * @throws CommandError
 */
export async function runCommand(
  command: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<CommandLine[]> {
  const lines: CommandLine[] = []
  const { ended } = startCommand(command, (line) => lines.push(line), options)
  const { code, stderr } = await ended
  const error = lines.find(({ type }) => type === 'error')
  if (error) throw new CommandError(error)
  if (code !== 0 && lines.length === 0) throw failure(code, stderr)
  return lines
}

/** What a command told as its error: its line, whose `faults` name every line of a file. */
export class CommandError extends TrituneError {
  readonly line: CommandLine

  constructor(line: CommandLine) {
    const text = (name: string): string | undefined => {
      const value = line[name]
      return typeof value === 'string' ? value : undefined
    }
    const [place, remedy] = [text('where'), text('remedy')]
    super('E_REQUEST', text('what') ?? 'the command failed', {
      ...(place === undefined ? {} : { place }),
      ...(remedy === undefined ? {} : { remedy }),
    })
    this.line = line
  }
}

/** The same error, with the places in a folder that nobody knows of told without it. */
export function withoutPath(error: TrituneError, prefix: string): TrituneError {
  const short = (text: string | undefined): string | undefined => text?.replaceAll(prefix, '')
  if (error instanceof CommandError) {
    // In JSON a path of Windows has its backslashes twice.
    const inJson = JSON.stringify(prefix).slice(1, -1)
    return new CommandError(JSON.parse(JSON.stringify(error.line).replaceAll(inJson, '')))
  }
  const { code, what, place, remedy, cause } = error
  return new TrituneError(code, what.replaceAll(prefix, ''), {
    ...(place === undefined ? {} : { place: short(place) ?? place }),
    ...(remedy === undefined ? {} : { remedy: short(remedy) ?? remedy }),
    cause,
  })
}

/** The end of a command that told no error of its own as JSON. */
export function failure(code: number | null, stderr: string): TrituneError {
  const said = /error: ([\s\S]*)/.exec(stderr)?.[1] ?? stderr.split('\n').slice(-8).join('\n')
  const how = code === null ? 'it was killed' : `exit code ${code}`
  return new TrituneError('E_REQUEST', said.trim() === '' ? `the command failed: ${how}` : said.trim())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function lineOf(text: string): CommandLine {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string')
      return { ...value, type: value.type }
  } catch {
    // Told as text below.
  }
  return { type: 'text', text }
}
