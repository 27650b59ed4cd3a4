/**
 * mpirun of Open MPI waits without end for its daemon on a machine that it does not reach any more, although all processes here are gone.
 * So whoever ends a job over several machines leaves somebody behind who ends mpirun, where that is still there some seconds later.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Only where the parent of this process is an mpirun, on Linux; else nothing. */
export function endLauncherLater(seconds: number): void {
  const { ppid } = process
  if (nameOf(ppid) === null) return
  const script = `sleep ${seconds}; case "$(cat /proc/${ppid}/comm 2>/dev/null)" in mpirun*|mpiexec*|orterun*|prterun*) kill -9 ${ppid};; esac`
  spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' }).unref()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function nameOf(pid: number): string | null {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    return /^(mpirun|mpiexec|orterun|prterun)/.test(name) ? name : null
  } catch {
    return null
  }
}
