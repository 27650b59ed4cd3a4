/**
 * Makes the package of a new plugin. Thin: see create-plugin/.
 */
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { createPlugin } from '../create-plugin/create-plugin.ts'
import { isPluginKind, KIND_NAMES, KINDS } from '../create-plugin/kinds.ts'
import { out } from '../terminal/streams.ts'

const help = (): string => `Make a package with a plugin that works: code, tests, bench, example, README, CI.

  ${invocation('create-plugin')} <kind> <name> [options]

  <kind>             what it provides:
${KIND_NAMES.map((kind) => `                       ${kind.padEnd(10)} ${KINDS[kind].summary.replace(/\.$/, '').replace(`my-${kind}: `, '')}`).join('\n')}
  <name>             of the package, such as tritune-plugin-gentle-scale or @me/gentle-scale
  --dir <folder>     default: the last part of the name
  --author <name>    for package.json and LICENSE
  --help             this text
`

const OPTIONS = { dir: { type: 'string' }, author: { type: 'string' } } as const

export const createPluginCommand: Command<typeof OPTIONS> = {
  help,
  positionals: {
    min: 2,
    max: 2,
    missing: 'name a kind and a package, for example adapter tritune-plugin-gentle-scale',
  },
  options: OPTIONS,
  choices: { '': KIND_NAMES },
  run({ positionals: [kind, name], values: { dir, author } }) {
    if (!isPluginKind(kind))
      throw new TrituneError('E_USAGE', `there is no kind of plugin "${kind}"`, {
        remedy: didYouMean(kind, KIND_NAMES),
      })
    const { folder, files } = createPlugin({ kind, name, folder: dir, author })
    out.write(`${folder}
${files.map((file) => `  ${file}`).join('\n')}
next:
  cd ${dir ?? folder.split(/[\\/]/).at(-1)}
${nextSteps(process.versions)
  .map((line) => `  ${line}\n`)
  .join('')}`)
  },
}

/** By the programs of whoever called: he may have no other. */
export function nextSteps({ bun, deno }: Readonly<Record<string, string | undefined>>): readonly string[] {
  if (bun !== undefined) return ['bun install', 'bun test && bun run check && bun run bench', 'bun publish']
  if (deno !== undefined) return ['deno install', 'deno test -A && deno task check', 'npm publish']
  return ['npm install', 'npm run test:node && npm run check', 'npm publish']
}
