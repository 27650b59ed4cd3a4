/**
 * `bun run rehearse:plugins`: makes a plugin of each kind with the published package, tests it by four runners, publishes it to a registry on this
 * machine, and trains with it from YAML in new projects of Bun, Deno and Node; prints the time of each. Thin: see rehearse/plugins.ts.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { didYouMean, TrituneError } from '../core/errors.ts'
import { runCommand } from './_cli.ts'
import { isPluginKind, KIND_NAMES } from './create-plugin/kinds.ts'
import { ensureInstalled } from './_setup.ts'
import { out } from './terminal/streams.ts'

await runCommand({
  help: `Make, test, publish and use a plugin of each kind.

  bun run rehearse:plugins [kind…] [options]

  --keep   leave the folder with projects and registry, and tell where it is
  --help   this text
`,
  positionals: { min: 0, max: KIND_NAMES.length },
  output: 'report',
  options: { keep: { type: 'boolean' } },
  async run({ positionals, values: { keep } }) {
    const kinds = positionals.map((kind) => {
      if (isPluginKind(kind)) return kind
      throw new TrituneError('E_USAGE', `there is no kind of plugin "${kind}"`, {
        remedy: didYouMean(kind, KIND_NAMES),
      })
    })
    await ensureInstalled()
    const { build } = await import('./build.ts')
    const { DIST } = await import('./build/paths.ts')
    const { PLUGIN_NAMES } = await import('./rehearse/author.ts')
    const { describePlugin, rehearsePlugin } = await import('./rehearse/plugins.ts')
    const { startRegistry } = await import('./rehearse/registry.ts')
    const { installTools } = await import('./rehearse/tools.ts')
    const folder = mkdtempSync(join(tmpdir(), 'tritune-plugins-'))
    try {
      const packages = build(DIST)
      await installTools(['registry', 'node24'])
      const own = ['tritune', '@tritune/*', PLUGIN_NAMES]
      await using registry = await startRegistry(join(folder, 'registry'), own)
      for (const one of packages) await registry.publish(one)
      for (const kind of kinds.length > 0 ? kinds : KIND_NAMES) {
        const at = join(folder, kind)
        mkdirSync(at)
        const done = await rehearsePlugin({
          kind,
          folder: at,
          runtimes: ['bun', 'deno', 'node24'],
          registry,
        })
        out.write(`${describePlugin(done)}\n`)
      }
    } finally {
      if (keep) out.write(`kept in ${folder}\n`)
      else rmSync(folder, { recursive: true, force: true })
    }
  },
})
