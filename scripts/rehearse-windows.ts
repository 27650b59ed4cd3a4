/**
 * `bun run rehearse:windows`: the package on Windows, as far as Wine is Windows: Node for Windows trains, generates and merges there. Thin: see
 * rehearse/windows.ts. Node and koffi for Windows come from the npm registry that is configured; Wine has to be installed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'
import { out } from './terminal/streams.ts'

await runCommand({
  help: `Use the package on Windows under Wine.

  bun run rehearse:windows [options]

  --keep   leave the folder with the project and its Windows, and tell where it is
  --help   this text
`,
  positionals: { min: 0, max: 0 },
  output: 'report',
  options: { keep: { type: 'boolean' } },
  async run({ values: { keep } }) {
    await ensureInstalled()
    const { rehearseWindows } = await import('./rehearse/windows.ts')
    const folder = mkdtempSync(join(tmpdir(), 'tritune-windows-'))
    try {
      await rehearseWindows(folder, (line) => out.write(`${line}\n`))
    } finally {
      if (keep) out.write(`kept in ${folder}\n`)
      else rmSync(folder, { recursive: true, force: true })
    }
  },
})
