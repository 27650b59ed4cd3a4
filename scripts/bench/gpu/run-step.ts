/**
 * Runs a step of a section in a child process and hands on what it finds. What the child does not live to say is a failure.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Entry } from './journal.ts'
import { resultOf } from './result.ts'
import type { GpuOptions } from './rig.ts'

/** Gives false when the step did not come to its end. After `seconds` of the options it is killed. */
export async function runStep(
  options: GpuOptions & { readonly seconds: number },
  keep: (entry: Entry) => void,
): Promise<boolean> {
  const { section, step, seconds, python } = options
  const script = fileURLToPath(new URL('../gpu_section.ts', import.meta.url))
  const child = Bun.spawn([process.execPath, script, JSON.stringify(options)], {
    env: { ...process.env, ...environmentOf(python) },
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
  })
  const complaints = new Response(child.stderr).text()
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{')) keep(JSON.parse(line))
  }
  const exitCode = await child.exited
  if (exitCode === 0) return true
  const why = (await complaints).trim().split('\n').slice(-8).join('\n')
  const how =
    child.signalCode === null
      ? `exit code ${exitCode}`
      : `ended by ${child.signalCode} (limit ${seconds.toFixed(0)} s)`
  keep({
    kind: 'result',
    ...resultOf(section, { name: `the step ${step}`, ok: false, note: `${how}: ${why}` }),
  })
  return false
}

/** As if the environment of torch's Python were active: cuBLASLt is looked for there, and both sides use the same one. */
function environmentOf(python: string | null): Readonly<Record<string, string>> {
  if (python === null || process.env.VIRTUAL_ENV !== undefined) return {}
  const { stdout } = spawnSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' })
  const prefix = stdout?.trim() ?? ''
  return prefix === '' ? {} : { VIRTUAL_ENV: prefix }
}
