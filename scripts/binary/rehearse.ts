/**
 * `bun run rehearse:binary`: the one file in a root folder made of a few packages of Debian (C library, shell, core utilities): no Bun, no Node, no
 * network but with itself. It trains the bundled model, goes on from a file of one's own, writes, measures, serves, and shows.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { findCommand } from '../commands/table.ts'

/** What Debian's shell and core utilities need. */
const PACKAGES =
  'base-files bash coreutils libc6 libgcc-s1 libtinfo6 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10'.split(
    ' ',
  )

interface Trial {
  readonly name: string
  /** For the shell; `$M` is the folder with the bundled model and texts. */
  readonly line: string
  /** What it must print. */
  readonly wanted: RegExp
  /** Only where there is this command. */
  readonly command?: string
}

/** Starts a server, sends it one request, and ends it. Bash speaks TCP by itself. */
function asked(command: string, port: number, request: string): string {
  const open = `exec 3<>/dev/tcp/127.0.0.1/${port}`
  return [
    `tritune ${command} --port ${port} >log 2>&1 & S=$!`,
    `for i in {1..300}; do (${open}) 2>/dev/null && break; sleep 0.1; done`,
    `${open} || cat log`,
    `printf '${request.replaceAll('\n', '\\r\\n')}' >&3; cat <&3`,
    'kill -INT $S; wait $S',
  ].join('\n')
}

const QUESTION = '{"model":"model","prompt":"The state of the","max_tokens":4}'

const TRIALS: readonly Trial[] = [
  { name: 'no other runtime', line: 'command -v bun node deno || echo none', wanted: /^none\n$/ },
  { name: 'version', line: 'tritune --version', wanted: /^\d+\.\d+\.\d+/ },
  {
    name: 'quickstart',
    line: 'tritune quickstart --set max_steps=60',
    wanted: /perplexity fell by [3-9]\d\.\d %/,
  },
  {
    name: 'a file of one’s own',
    line: 'tritune init my.yaml --model $M/model --data $M/moby-dick.eval.jsonl && tritune finetune my.yaml --set max_steps=3',
    wanted: /adapter in \.\/outputs\/my/,
  },
  {
    name: 'generate',
    line: 'tritune generate $M/model --adapter outputs/my --prompt "The captain" --max-new-tokens 8',
    wanted: /\w{2}/,
  },
  {
    name: 'evaluate and report',
    line: 'tritune evaluate outputs/my --task $M/moby-dick.eval.jsonl --limit 4 --save && tritune report outputs/my',
    wanted: /token_perplexity[\s\S]*report\.html/,
  },
  {
    name: 'serve',
    command: 'serve',
    line: asked(
      'serve $M/model',
      18471,
      `POST /v1/completions HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: ${QUESTION.length}\nConnection: close\n\n${QUESTION}`,
    ),
    wanted: /200 OK[\s\S]*"text":/,
  },
  {
    name: 'monitor',
    command: 'monitor',
    line: asked('monitor --web', 18472, 'GET / HTTP/1.1\nHost: localhost:18472\nConnection: close\n\n'),
    wanted: /HTTP\/1\.1 (200|401|403)/,
  },
]

/** True when all goes well. */
export function rehearseBinary(binary: string): boolean {
  const root = mkdtempSync(join(tmpdir(), 'tritune-root-'))
  const trials = TRIALS.filter(({ command }) => command === undefined || findCommand(command))
  try {
    makeRoot(root, binary)
    return trials.map((trial) => attempt(root, trial)).every((isGood) => isGood)
  } finally {
    run('umount', [join(root, 'proc')], { mayFail: true })
    rmSync(root, { recursive: true, force: true })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function makeRoot(root: string, binary: string): void {
  const packages = mkdtempSync(join(tmpdir(), 'tritune-debs-'))
  try {
    run('apt-get', ['download', '-qq', ...PACKAGES], { cwd: packages })
    for (const file of readdirSync(packages)) run('dpkg', ['-x', join(packages, file), root])
  } finally {
    rmSync(packages, { recursive: true, force: true })
  }
  for (const folder of ['proc', 'dev', 'root', 'tmp', 'usr/bin'])
    mkdirSync(join(root, folder), { recursive: true })
  // The runtime takes random numbers from there, as every container has them.
  for (const [name, minor] of [
    ['null', '3'],
    ['zero', '5'],
    ['random', '8'],
    ['urandom', '9'],
  ])
    run('mknod', ['-m', '666', join(root, 'dev', name), 'c', '1', minor])
  run('mount', ['-t', 'proc', 'proc', join(root, 'proc')])
  copyFileSync(binary, join(root, 'usr/bin/tritune'))
}

function attempt(root: string, { name, line, wanted }: Trial): boolean {
  const began = performance.now()
  const script = `cd ~; M=$(echo ~/.cache/tritune/binary/*/node_modules/tritune/quickstart); ${line}`
  const inside = ['/usr/bin/env', '-i', 'HOME=/root', 'PATH=/usr/bin:/bin', '/bin/bash', '-c', script]
  const { stdout, stderr, status, error } = spawnSync('chroot', [root, ...inside], { encoding: 'utf8' })
  if (error) throw failed('chroot', error.message)
  const isGood = status === 0 && wanted.test(stdout)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${isGood ? 'ok  ' : 'FAIL'}  ${name.padEnd(22)} ${seconds.padStart(6)} s`)
  if (!isGood) console.log(`${stdout}${stderr}`.trim().slice(-2000))
  return isGood
}

function run(
  command: string,
  args: readonly string[],
  { cwd, mayFail = false }: { readonly cwd?: string; readonly mayFail?: boolean } = {},
): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0 || mayFail) return
  throw failed(command, error?.message ?? stderr.trim().slice(-400))
}

function failed(command: string, reason: string): TrituneError {
  return new TrituneError('E_USAGE', `${command} failed: ${reason}`, {
    remedy: 'run it as root on Debian or its like',
  })
}
