/**
 * `bun run rehearse`: a release, from build to training, without touching the world. It builds the packages, publishes them and
 * a plugin to a registry on this machine, installs them into new projects for Bun, Deno and two versions of Node as a
 * stranger would, trains, generates and merges there, and compares what comes out: the same digits everywhere.
 *
 * The tools (verdaccio, publint, @arethetypeswrong/cli, Node) come from the npm registry that is configured, the first time.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../core/errors.ts'
import { runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'
import { out } from './terminal/streams.ts'

const OPTIONS = {
  keep: { type: 'boolean' },
  only: { type: 'string', multiple: true },
} as const

await runCommand({
  help: `Build, publish to a registry on this machine, install and use the packages.

  bun run rehearse [options]

  --only <runtime>   bun, deno, node22 or node24; may be repeated; default: all
  --keep             leave the folder with projects and registry, and tell where it is
  --help             this text
`,
  positionals: { min: 0, max: 0 },
  output: 'report',
  options: OPTIONS,
  async run({ values: { keep, only } }) {
    await ensureInstalled()
    const { rehearse } = await import('./rehearse/rehearse.ts')
    const { RUNTIMES, isRuntimeName } = await import('./rehearse/runtimes.ts')
    const names = (only ?? [...RUNTIMES]).map((name) => {
      if (isRuntimeName(name)) return name
      throw new TrituneError('E_USAGE', `--only: no runtime "${name}"`, { remedy: RUNTIMES.join(', ') })
    })
    const folder = mkdtempSync(join(tmpdir(), 'tritune-release-'))
    mkdirSync(join(folder, 'home'))
    try {
      await rehearse(folder, names, (line) => out.write(`${line}\n`))
    } finally {
      if (keep) out.write(`kept in ${folder}\n`)
      else rmSync(folder, { recursive: true, force: true })
    }
  },
})
