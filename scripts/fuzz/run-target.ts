/**
 * Runs a fuzzer in child processes, one after the other: what ends or hangs one is a finding, and the next goes on behind it.
 */
import { ROOT } from '../native/process.ts'

export interface FuzzOptions {
  readonly target: string
  readonly seed: number
  /** At most so many cases. */
  readonly cases: number
  readonly seconds: number
  readonly environment: Readonly<Record<string, string>>
  /** Seconds after which a case counts as hanging; those in which this process stands still do not count. */
  readonly patience: number
  readonly onFinding?: (finding: FuzzFinding) => void
}

export interface FuzzFinding {
  readonly seed: number
  readonly what: string
}

export interface FuzzResult {
  readonly cases: number
  readonly findings: readonly FuzzFinding[]
}

/** Stops after this many: they have the same cause most of the time. */
const MOST_FINDINGS = 20

export async function runTarget(options: FuzzOptions): Promise<FuzzResult> {
  const findings: FuzzFinding[] = []
  const end = performance.now() + 1000 * options.seconds
  const last = options.seed + options.cases
  let seed = options.seed
  while (seed < last && performance.now() < end && findings.length < MOST_FINDINGS) {
    const left = Math.max(1, Math.ceil((end - performance.now()) / 1000))
    const report = await runChild(options, seed, { cases: last - seed, seconds: left }, (finding) => {
      findings.push(finding)
      options.onFinding?.(finding)
      return findings.length < MOST_FINDINGS
    })
    seed = report.reached + 1
  }
  return { cases: seed - options.seed, findings }
}

async function runChild(
  { target, environment, patience }: FuzzOptions,
  first: number,
  { cases, seconds }: { readonly cases: number; readonly seconds: number },
  /** False: enough. */
  found: (finding: FuzzFinding) => boolean,
): Promise<{ readonly reached: number }> {
  const command = [
    process.execPath,
    'scripts/fuzz/child.ts',
    target,
    String(first),
    String(cases),
    String(seconds),
  ]
  const child = Bun.spawn(command, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let reached = first
  let isDone = false
  let hung = false
  // Opening the fuzzer counts too, and takes longer. Seconds are ticks: while both processes are stopped there are none.
  let left = patience + 60
  const watchdog = setInterval(() => {
    if (left-- > 0) return
    hung = true
    child.kill('SIGKILL')
  }, 1000)
  const errors = new Response(child.stderr).text()
  for await (const line of linesOf(child.stdout)) {
    left = patience
    if (line.startsWith('@')) reached = Number(line.slice(1))
    else if (line === '.') isDone = true
    else if (line.startsWith('!')) {
      const space = line.indexOf(' ')
      const what = String(JSON.parse(line.slice(space + 1)))
      if (found({ seed: Number(line.slice(1, space)), what })) continue
      isDone = true
      child.kill('SIGKILL')
      break
    }
  }
  clearInterval(watchdog)
  await child.exited
  // Lines with a # say what was done; the last one is what it died of.
  const lines = (await errors).split('\n')
  const said = [
    lines.findLast((line) => line.startsWith('#')) ?? '',
    ...lines.filter((line) => !line.startsWith('#')),
  ].join('\n')
  if (hung) found({ seed: reached, what: `no answer within ${patience} s` })
  else if (!isDone) {
    const how = child.signalCode ? `ended by ${child.signalCode}` : `ended with ${child.exitCode}`
    found({ seed: reached, what: `the process ${how}\n${said.slice(0, 4000)}` })
  }
  return { reached }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
