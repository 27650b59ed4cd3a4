/**
 * `bun scripts/fuzz.ts <target…> [--minutes n] [--seed n] [--cases n] [--plain]`: random and broken input for everything that takes
 * any. Without a target all run, one after the other. A finding prints its seed; `--seed <it> --cases 1` brings it back.
 *
 * Targets that call native code run on the CPU library under ASan and UBSan, built first; `--plain` takes the bundled one.
 * Exit code 1 when something was found.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildNative } from './build-native.ts'
import { runTarget } from './fuzz/run-target.ts'
import { PATIENCE, SANITIZED, TARGETS } from './fuzz/targets.ts'
import { ROOT } from './native/process.ts'
import { preloadOf } from './native/sanitizers.ts'

async function environmentOf(target: string, isPlain: boolean): Promise<Readonly<Record<string, string>>> {
  if (isPlain || !SANITIZED.has(target)) return {}
  const library = await buildNative({ variant: 'asan' })
  return { ...(await preloadOf('asan')), TRITUNE_CPU_LIBRARY: join(ROOT, library) }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    cases: { type: 'string', default: String(2 ** 31) },
    plain: { type: 'boolean', default: false },
  },
})
const targets = positionals.length > 0 ? positionals : Object.keys(TARGETS)
const unknown = targets.find((target) => !(target in TARGETS))
if (unknown) {
  console.error(`there are ${Object.keys(TARGETS).join(', ')}, got ${unknown}`)
  process.exit(1)
}
let found = 0
for (const target of targets) {
  const environment = await environmentOf(target, values.plain)
  const { cases, findings } = await runTarget({
    target,
    seed: Number(values.seed),
    cases: Number(values.cases),
    seconds: 60 * Number(values.minutes),
    environment,
    patience: PATIENCE,
    onFinding: ({ seed, what }) =>
      console.log(`FINDING  ${target} --seed ${seed} --cases 1\n  ${what.replaceAll('\n', '\n  ')}`),
  })
  console.log(
    `${findings.length === 0 ? 'ok    ' : 'FAILED'}  ${target}: ${cases} cases from seed ${values.seed}, ${findings.length} findings`,
  )
  found += findings.length
}
process.exit(found === 0 ? 0 : 1)
