/**
 * Lists what the plugins of a run's file and the built-in ones provide, from where and why. Thin: see `host.explain()`.
 */
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import { type Command, deviceOption } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help = (): string => `List what is provided by whom, from where, and why.

  ${invocation('plugins')} [config.yaml] [options]

  [config.yaml]       a run's file, whose plugins are listed too; without it the built-in ones
  --plugin <module>   another one; may be repeated
  --ops               who runs each op
  --device <name>     with --ops: auto, cpu (default), cuda or cuda:<number>
  --json              the same as JSON
  --help              this text
`

const OPTIONS = {
  plugin: { type: 'string', multiple: true },
  ops: { type: 'boolean' },
  device: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const plugins: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 1 },
  options: OPTIONS,
  async run({ positionals: [file], values }) {
    const text =
      file === undefined
        ? null
        : readTextFile(file, {
            what: 'the configuration',
            remedy: `name a YAML file; paths start at ${process.cwd()}`,
          })
    const on = deviceOption(values.device, 'cpu')
    await ensureInstalled()
    const { explainPlugins, formatExplanation } = await import('./bodies/plugins.ts')
    const explained = await explainPlugins({
      file: file === undefined || text === null ? null : { path: file, text },
      modules: values.plugin ?? [],
      device: values.ops ? on : null,
    })
    out.write(values.json ? `${JSON.stringify(explained, null, 2)}\n` : formatExplanation(explained))
  },
}
