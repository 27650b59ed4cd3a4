/**
 * Lists, inspects, combines and converts adapters. Thin: see plugins/peft.
 */
import { counted } from '../../core/counted.ts'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { ABOVE_0, type Command, deviceOption, INTEGER_FROM_0, numberOption } from '../_cli.ts'
import { COMBINE_METHODS } from '../../plugins/peft/combine/methods.ts'
import { ensureInstalled } from '../_setup.ts'

const ACTIONS = ['list', 'inspect', 'merge', 'convert'] as const
type Action = (typeof ACTIONS)[number]

const help = (): string => `List, inspect, combine and convert adapters.

  ${invocation('adapter')} list [folder]                          those below a folder (default: here)
  ${invocation('adapter')} inspect <adapter>                      method, rank, targets, size, norms, NaN
  ${invocation('adapter')} merge <output> <adapter=weight>…       several become one LoRA
  ${invocation('adapter')} convert <adapter> <output> --to <format>

  An <adapter> is a folder that PEFT, mlx-lm or tritune wrote; to convert, a .gguf file too. A weight may be negative; without one it is 1.

  --method <name>          merge: linear, cat, svd (default), ties, ties_svd, dare_linear, dare_ties, dare_linear_svd,
                           dare_ties_svd, magnitude_prune, magnitude_prune_svd, as in PEFT's add_weighted_adapter
  --density <share>        merge: of ties, dare and magnitude_prune: the share of numbers that is kept
  --majority-sign <name>   merge: of ties: total (default) or frequency
  --rank <number>          merge: of svd and those with _svd: rank of the result, default the largest
  --seed <number>          merge: of dare: what is kept (default 0)
  --base <model>           merge; convert from or to GGUF, and PiSSA or OLoRA to a plain LoRA: a hub name or a folder;
                           default: the base that the adapter names
  --to <format>            convert: peft, mlx or gguf (the output is then a .gguf file)
  --plugin <module>        merge: for an adapter that a plugin provides; may be repeated
  --device <name>          as --base: cpu (default), auto, cuda, cuda:<number>
  --offline                as --base: use the local cache of the hub only
  --json                   the result as JSON
  --help                   this text

To fold an adapter into its model: ${invocation('merge')}
`

const OPTIONS = {
  method: { type: 'string' },
  density: { type: 'string' },
  'majority-sign': { type: 'string' },
  rank: { type: 'string' },
  seed: { type: 'string' },
  base: { type: 'string' },
  to: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  device: { type: 'string' },
  offline: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const adapter: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 100, missing: `say what to do: ${ACTIONS.join(', ')}` },
  options: OPTIONS,
  choices: {
    '': ACTIONS,
    to: ['peft', 'mlx', 'gguf'],
    'majority-sign': ['total', 'frequency'],
    method: COMBINE_METHODS,
  },
  async run({ positionals: [action, ...rest], values }) {
    if (!isAction(action))
      throw new TrituneError('E_USAGE', `there is no adapter ${action}`, {
        remedy: didYouMean(action, ACTIONS),
      })
    expectOwn(action, values)
    const json = values.json ?? false
    const { convertCommand, inspectCommand, listCommand, mergeAdaptersCommand } = await (async () => {
      expectCount(action, rest)
      await ensureInstalled()
      return await import('./bodies/adapter.ts')
    })()
    const [first = '.', second = ''] = rest
    switch (action) {
      case 'list':
        return listCommand(first, json)
      case 'inspect':
        return inspectCommand(first, json)
      case 'convert':
        if (values.to !== 'peft' && values.to !== 'mlx' && values.to !== 'gguf')
          throw new TrituneError(
            'E_USAGE',
            `--to: expected peft, mlx or gguf, got ${values.to === undefined ? 'none' : `"${values.to}"`}`,
          )
        await convertCommand(first, second, {
          to: values.to,
          base: values.base,
          device: deviceOption(values.device, 'cpu'),
          offline: values.offline,
          json,
        })
        return
      case 'merge':
        await mergeAdaptersCommand({
          output: first,
          adapters: rest.slice(1),
          method: values.method,
          density: values.density === undefined ? undefined : numberOption('density', values.density, 1),
          majoritySign: values['majority-sign'],
          rank: values.rank === undefined ? undefined : numberOption('rank', values.rank, 8, ABOVE_0),
          seed: numberOption('seed', values.seed, 0, INTEGER_FROM_0),
          base: values.base,
          plugins: values.plugin ?? [],
          device: deviceOption(values.device, 'cpu'),
          offline: values.offline,
          json,
        })
    }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** How many arguments each takes after its name. */
const COUNTS: Readonly<Record<Action, readonly [min: number, max: number, what: string]>> = {
  list: [0, 1, 'a folder at most'],
  inspect: [1, 1, 'one adapter'],
  merge: [2, 99, 'an output folder and adapters'],
  convert: [2, 2, 'an adapter and an output folder'],
}

/** Options that are for one of them only. */
const OWN: Readonly<Record<string, string>> = {
  method: 'merge',
  density: 'merge',
  'majority-sign': 'merge',
  rank: 'merge',
  seed: 'merge',
  base: 'merge or convert',
  plugin: 'merge',
  device: 'merge or convert',
  offline: 'merge or convert',
  to: 'convert',
}

function isAction(name: string): name is Action {
  return ACTIONS.some((action) => action === name)
}

function expectCount(action: Action, given: readonly string[]): void {
  const [min, max, what] = COUNTS[action]
  if (given.length >= min && given.length <= max) return
  throw new TrituneError(
    'E_USAGE',
    `adapter ${action} takes ${what}, got ${counted(given.length, 'argument')}`,
    {
      remedy: 'run it with --help',
    },
  )
}

function expectOwn(action: Action, values: Readonly<Record<string, unknown>>): void {
  for (const [option, owner] of Object.entries(OWN))
    if (values[option] !== undefined && !owner.split(' ').includes(action))
      throw new TrituneError('E_USAGE', `--${option} is for adapter ${owner}, not for ${action}`)
}
