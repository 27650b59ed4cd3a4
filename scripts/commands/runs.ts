/**
 * Lists, shows, compares, prunes and steers runs. Thin: see plugins/runs and scripts/runs.
 */
import { counted } from '../../core/counted.ts'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { type Command, FROM_0, INTEGER_FROM_0, numberOption } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'

const STATUSES = ['initializing', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const

const help = (): string => `List, show, compare, prune and steer runs.

  ${invocation('runs')} [list] [folder]…                    runs at or below the folders (default: here)
  ${invocation('runs')} show <run>                          one run: settings, numbers, what happened
  ${invocation('runs')} compare <run> <run>…                where settings differ, numbers, curves
  ${invocation('runs')} prune [folder]…                     remove runs at or below the folders (default: here), or their checkpoints; tells what, until --yes
  ${invocation('runs')} pause|resume|save|stop <run>        ask a run that is at work; it answers after its step
  ${invocation('runs')} set-learning-rate <run> <rate>      as if the file had said so from here on

  A <run> is a folder, or a name or the beginning of an id that list --all has; of several that have the name the one below here is meant.

  --status <names>      list, prune: only these, separated by commas: ${STATUSES.join(', ')}
  --all                 list, prune: runs of all folders that are known, not only of those below here
  --keep <n>            prune: the newest n stay, of those that have ended
  --older-than <days>   prune: only runs that began before so many days
  --checkpoints         prune: only checkpoints; results stay, and so does what a run that did not come to its end is resumed from
  --yes                 prune: do it
  --wait <seconds>      pause, …: how long to wait for the answer; default 600
  --json                the same as JSON
  --help                this text
`

const OPTIONS = {
  status: { type: 'string' },
  all: { type: 'boolean' },
  keep: { type: 'string' },
  'older-than': { type: 'string' },
  checkpoints: { type: 'boolean' },
  yes: { type: 'boolean' },
  wait: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const runs: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 100 },
  options: OPTIONS,
  choices: {
    '': ['list', 'show', 'compare', 'prune', 'pause', 'resume', 'save', 'stop', 'set-learning-rate'],
    status: STATUSES,
  },
  async run({ positionals, values }) {
    const [action, rest] = actionOf(positionals)
    expectOwn(action, values)
    expectCount(action, rest)
    const status = statusesOf(values.status)
    const keep = numberOption('keep', values.keep, 0, INTEGER_FROM_0)
    const days =
      values['older-than'] === undefined ? null : numberOption('older-than', values['older-than'], 0, FROM_0)
    const seconds = numberOption('wait', values.wait, 600, FROM_0)
    const { all = false, checkpoints = false, yes = false, json = false } = values
    if (
      action === 'prune' &&
      status.length === 0 &&
      values.keep === undefined &&
      days === null &&
      !checkpoints
    )
      throw new TrituneError('E_USAGE', 'prune: say which runs', {
        remedy: 'give --status failed,cancelled, --older-than <days>, --keep <n> or --checkpoints',
      })
    if (all && rest.length > 0)
      throw new TrituneError('E_USAGE', '--all and a folder do not go together', {
        remedy: 'name folders for the runs below them, or give --all for those of all folders',
      })
    await ensureInstalled()
    const { openRunIndex } = await import('../../plugins/runs/mod.ts')
    const { findRun } = await import('../runs/find-run.ts')
    using index = await openRunIndex()
    if (action !== 'list' && action !== 'prune') index.refresh(['.'])
    switch (action) {
      case 'list':
        return (await import('../runs/list.ts')).listRunsCommand(index, { folders: rest, all, status, json })
      case 'show':
        return (await import('../runs/show.ts')).showRunCommand(index, findRun(rest[0], index), json)
      case 'compare': {
        const { compareRunsCommand } = await import('../runs/compare.ts')
        return compareRunsCommand(
          index,
          rest.map((name) => findRun(name, index)),
          json,
        )
      }
      case 'prune': {
        const { pruneRunsCommand } = await import('../runs/prune.ts')
        const before = days === null ? null : new Date(Date.now() - days * 86_400_000)
        return await pruneRunsCommand(index, {
          folders: rest,
          all,
          status,
          keep,
          before,
          checkpoints,
          yes,
          json,
        })
      }
      case 'set-learning-rate': {
        const { askRunCommand } = await import('../runs/ask.ts')
        const control = { action: 'set_learning_rate', value: rateOf(rest[1]) } as const
        return await askRunCommand(findRun(rest[0], index), control, { seconds, json })
      }
      case 'pause':
      case 'resume':
      case 'save':
      case 'stop': {
        const { askRunCommand } = await import('../runs/ask.ts')
        return await askRunCommand(findRun(rest[0], index), { action }, { seconds, json })
      }
      default:
        action satisfies never
    }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Action =
  | 'list'
  | 'show'
  | 'compare'
  | 'prune'
  | 'pause'
  | 'resume'
  | 'save'
  | 'stop'
  | 'set-learning-rate'

/** How many arguments each takes after its name. */
const COUNTS: Readonly<Record<Action, readonly [min: number, max: number, what: string]>> = {
  list: [0, 99, 'folders'],
  show: [1, 1, 'one run'],
  compare: [2, 99, 'two runs or more'],
  prune: [0, 99, 'folders'],
  pause: [1, 1, 'one run'],
  resume: [1, 1, 'one run'],
  save: [1, 1, 'one run'],
  stop: [1, 1, 'one run'],
  'set-learning-rate': [2, 2, 'a run and a learning rate'],
}

/** Options that are for some of them only. */
const OWN: Readonly<Record<string, readonly Action[]>> = {
  status: ['list', 'prune'],
  all: ['list', 'prune'],
  keep: ['prune'],
  'older-than': ['prune'],
  checkpoints: ['prune'],
  yes: ['prune'],
  wait: ['pause', 'resume', 'save', 'stop', 'set-learning-rate'],
}

/** The first word, where it is an action; a path begins a list. */
function actionOf([first, ...rest]: readonly string[]): [Action, readonly string[]] {
  if (first === undefined) return ['list', []]
  if (isAction(first)) return [first, rest]
  if (/[\\/.~]/.test(first)) return ['list', [first, ...rest]]
  throw new TrituneError('E_USAGE', `there is no runs ${first}`, {
    remedy: didYouMean(first, Object.keys(COUNTS)),
  })
}

function isAction(name: string): name is Action {
  return Object.hasOwn(COUNTS, name)
}

function expectCount(action: Action, given: readonly string[]): void {
  const [min, max, what] = COUNTS[action]
  if (given.length >= min && given.length <= max) return
  throw new TrituneError(
    'E_USAGE',
    `runs ${action} takes ${what}, got ${counted(given.length, 'argument')}`,
    {
      remedy: 'run it with --help',
    },
  )
}

function expectOwn(action: Action, values: Readonly<Record<string, unknown>>): void {
  for (const [option, owners] of Object.entries(OWN))
    if (values[option] !== undefined && !owners.includes(action))
      throw new TrituneError('E_USAGE', `--${option} is for runs ${owners.join(', ')}, not for ${action}`)
}

function statusesOf(text: string | undefined): string[] {
  const names = (text ?? '').split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !STATUSES.some((status) => status === name))
  if (unknown !== undefined)
    throw new TrituneError('E_USAGE', `--status: there is no "${unknown}"`, {
      remedy: didYouMean(unknown, STATUSES),
    })
  return names
}

function rateOf(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new TrituneError('E_USAGE', `set-learning-rate: expected a number above 0, got "${text}"`)
}
