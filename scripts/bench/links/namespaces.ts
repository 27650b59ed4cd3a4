/**
 * Two "machines" on this one: network namespaces with a cable between them that lets through so many bits a second. Linux, as root, with ip
 * and tc.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'

export interface Machines extends Disposable {
  readonly names: readonly [string, string]
  /** Options with which mpirun of Open MPI on the first one starts a process on each. */
  readonly options: readonly string[]
  /** Command that runs the one after it on a machine. */
  on(machine: string): string[]
  /** Takes the cable out. */
  cut(): void
}

/** Why there can be none here; null: there can. */
export function noMachines(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const missing = ['ip', 'tc', 'unshare'].filter((name) => spawnSync('which', [name]).status !== 0)
  return missing.length === 0 ? null : `${missing.join(', ')} is not here`
}

/** `rate` as tc writes it: `100mbit`, `1gbit`. Disposing takes the machines away. */
export function twoMachines(rate: string): Machines {
  const names = [`tta${process.pid}`, `ttb${process.pid}`] as const
  const [first, second] = names
  const folder = mkdtempSync(join(tmpdir(), 'tritune-machines-'))
  const agent = join(folder, 'agent.sh')
  writeFileSync(
    agent,
    '#!/bin/sh\nhost=$1; shift\nexec ip netns exec "$host" unshare -u /bin/sh -c "hostname $host; $*"\n',
  )
  chmodSync(agent, 0o755)
  const remove = (): void => {
    for (const name of names) {
      // Daemons of mpirun that lost their cable stay there for ever.
      const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? ''
      for (const pid of pids.split('\n').filter((line) => line !== '')) endProcess(Number(pid))
      spawnSync('ip', ['netns', 'del', name])
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const name of names) run('ip', 'netns', 'add', name)
    run('ip', '-n', first, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', second)
    for (const [i, name] of names.entries()) {
      run('ip', '-n', name, 'addr', 'add', NETWORK.replace('.0/', `.${i + 1}/`), 'dev', 'eth0')
      for (const link of ['lo', 'eth0']) run('ip', '-n', name, 'link', 'set', link, 'up')
      const shape = `root tbf rate ${rate} burst 256kb latency 50ms`.split(' ')
      run('tc', '-n', name, 'qdisc', 'add', 'dev', 'eth0', ...shape)
    }
  } catch (error) {
    remove()
    throw error
  }
  return {
    names,
    options:
      `--host ${first}:1,${second}:1 --mca plm_rsh_agent ${agent} --mca btl_tcp_if_include ${NETWORK} --mca oob_tcp_if_include ${NETWORK}`.split(
        ' ',
      ),
    on: (machine) => [agent, machine],
    cut: () => run('ip', '-n', first, 'link', 'set', 'eth0', 'down'),
    [Symbol.dispose]: remove,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NETWORK = '10.77.0.0/24'

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0)
    throw new TrituneError('E_NATIVE', `${command} ${args.join(' ')} failed: ${stderr.trim()}`)
}
