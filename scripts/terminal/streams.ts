/**
 * stdout and stderr as they are in the world: terminals of any width, pipes whose reader went away, full disks, closed
 * descriptors. Writing never throws and never ends a command by itself.
 */
import { styleText } from 'node:util'
import { detectLauncher } from '../../plugins/distributed/launcher.ts'

/** What a command does when nobody takes its output any more. */
export type Output =
  /** The output is what the command is for: without a reader it ends, and a failing disk is a failure. */
  | 'result'
  /** The output tells about work whose result is elsewhere: the work goes on. */
  | 'report'

export interface Stream {
  write(text: string): void
  /** A terminal that takes lines being rewritten. */
  readonly terminal: boolean
  /** Whether to colour: terminals, and what NO_COLOR and FORCE_COLOR say. */
  readonly colour: boolean
  /** Columns of the terminal now. */
  columns(): number
}

export const out: Stream = createStream(() => process.stdout)
export const err: Stream = createStream(() => process.stderr)

/** Makes failures of both streams harmless; called once, before the first output. */
export function survive(output: Output): void {
  wanted = output
  process.stdout.on('error', (error: NodeJS.ErrnoException) => lost(process.stdout, error, output))
  process.stderr.on('error', (error: NodeJS.ErrnoException) => lost(process.stderr, error, 'report'))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const gone = new Set<NodeJS.WriteStream>()
let wanted: Output = 'report'

function createStream(of: () => NodeJS.WriteStream): Stream {
  return {
    write(text) {
      const stream = of()
      if (gone.has(stream)) return
      try {
        stream.write(text)
      } catch (error) {
        // Deno throws at once where Bun tells later.
        if (!(error instanceof Error)) throw error
        lost(stream, error, stream === process.stdout ? wanted : 'report')
      }
    },
    get terminal() {
      // mpirun gives its processes something that looks like one.
      return of().isTTY === true && process.env['TERM'] !== 'dumb' && detectLauncher() === null
    },
    get colour() {
      return styleText('green', 'x', { stream: of() }) !== 'x' && detectLauncher() === null
    },
    columns: () => of().columns || 80,
  }
}

function lost(stream: NodeJS.WriteStream, error: NodeJS.ErrnoException, output: Output): void {
  if (gone.has(stream)) return
  gone.add(stream)
  const name = stream === process.stdout ? 'stdout' : 'stderr'
  // The reader of a pipe, or the terminal, went away: there is nobody to tell.
  const left = error.code === 'EPIPE' || error.code === 'EIO'
  if (output === 'report') {
    if (!left && name === 'stdout')
      err.write(`stdout cannot be written (${reason(error)}): going on without it\n`)
    return
  }
  if (!left) err.write(`error: stdout cannot be written: ${reason(error)}\n`)
  process.exit(left ? 0 : 1)
}

function reason({ message }: Error): string {
  return message.replace(/^E[A-Z]+: |, write$/g, '')
}
