#!/usr/bin/env node
/**
 * `tritune <command>`: the one command of the package; in a checkout `bun run <command>` does the same. Thin: see _dispatch.ts.
 *
 * It imports nothing before it knows that the runtime is one that can run the rest.
 */
import { adviseRuntime } from './_runtime.ts'

const advice = adviseRuntime(process)
if (advice.kind === 'refuse') {
  process.stderr.write(`error: ${advice.message}\n`)
  process.exitCode = 1
} else if (advice.kind === 'start-bun') {
  const { startAgain } = await import('./terminal/start-again.ts')
  await startAgain(advice.executable, process.argv.slice(1))
} else {
  const { dispatch } = await import('./_dispatch.ts')
  await dispatch(process.argv.slice(2))
}
