/**
 * `bun run check`: everything that can be said about the repository without running it. All checks run, also after one
 * failed; the exit code is 1 when any did.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { ensureInstalled, ROOT } from './_setup.ts'
import type { Verdict } from './checks/_files.ts'
import { checkLayers } from './checks/layers.ts'
import { checkNative } from './checks/native.ts'
import { checkPageTypes } from './checks/page-types.ts'
import { checkWords } from './checks/words.ts'
import { checkSize } from './size.ts'

/** A tool of node_modules, run with this Bun: its bin file is JavaScript. */
function tool(bin: string, args: readonly string[], summary: string): Verdict {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [`${ROOT}node_modules/${bin}`, ...args],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  )
  if (error) return { ok: false, summary: `${bin} did not start: ${error.message}`, details: [] }
  const ok = status === 0
  return {
    ok,
    summary: ok ? summary : `${bin} ${args.join(' ')}`,
    details: ok ? [] : [`${stdout}${stderr}`.trim()],
  }
}

/** Scripts of pages know a browser and no Bun: each page has settings of its own. */
function checkPages(): Verdict {
  const all = globSync('plugins/*/page/tsconfig.json', { cwd: ROOT }).map((settings) =>
    tool('typescript/bin/tsc', ['-p', settings], 'nor of the scripts of pages'),
  )
  return [...all, checkPageTypes()].find(({ ok }) => !ok) ?? all[0]
}

const CHECKS: Readonly<Record<string, () => Verdict | Promise<Verdict>>> = {
  format: () => tool('oxfmt/bin/oxfmt', ['--check'], 'every file is as oxfmt writes it'),
  lint: () => tool('oxlint/bin/oxlint', ['--deny-warnings'], 'oxlint has nothing to say'),
  types: () => tool('typescript/bin/tsc', ['-p', '.'], 'tsc has nothing to say'),
  pages: checkPages,
  native: checkNative,
  size: checkSize,
  words: checkWords,
  layers: checkLayers,
  // It needs packages, which may have to be installed first.
  docs: async () => (await import('./checks/docstrings.ts')).checkDocstrings(),
}

async function main(): Promise<boolean> {
  await ensureInstalled()
  const lines: string[] = []
  let allOk = true
  for (const [name, run] of Object.entries(CHECKS)) {
    const started = performance.now()
    const { ok, summary, details } = await run()
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    if (!ok) console.log(`── ${name}\n${details.join('\n')}\n`)
    lines.push(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(7)} ${seconds} s  ${summary}`)
    if (ok) lines.push(...details.map((detail) => `                     ${detail}`))
    allOk &&= ok
  }
  console.log(lines.join('\n'))
  return allOk
}

if (import.meta.main) {
  try {
    process.exitCode = (await main()) ? 0 : 1
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
