/** Every command and option of tritune in the shell blocks of the pages is one that there is. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMMANDS } from '../../scripts/commands/table.ts'
import { pageBlocks } from './_code-blocks.ts'
import { commandsOf, faultsOf } from './_shell-commands.ts'

const blocks = pageBlocks().filter(({ language }) => /^(sh|bash|shell|console)$/.test(language))
const faults = async (code: string, place = ''): Promise<string[]> =>
  (await Promise.all(commandsOf(code, place.startsWith('templates/')).map(faultsOf))).flat()

describe('shell blocks', () => {
  test('there are some, and most hold commands of tritune', () => {
    expect(blocks.length).toBeGreaterThan(15)
    expect(blocks.flatMap(({ code }) => commandsOf(code)).length).toBeGreaterThan(50)
  })

  test.each(blocks)('$place', async ({ code, place }) => {
    expect(await faults(code, place)).toEqual([])
  })
})

describe('commandsOf() and faultsOf()', () => {
  test('read what starts tritune, variables, comments, quotes, redirections and chains', () => {
    expect(
      commandsOf(
        'A=1 bun run bench ops --filter "^rope x"  # bun run no\ncd there && bunx tritune doctor > a.txt\n',
      ),
    ).toEqual([
      { name: 'bench', args: ['ops', '--filter', '^rope x'], elsewhere: false },
      { name: 'doctor', args: [], elsewhere: false },
    ])
    expect(commandsOf('npm install tritune\nnpx tritune …\nbun add tritune\nbun test\n')).toEqual([])
  })

  test.each([
    ['bun run fintune my.yaml', 'there is no command fintune'],
    ['bunx tritune finetune my.yaml --overwrit', "finetune: Unknown option '--overwrit'"],
    ['tritune finetune', 'finetune takes 1 to 1 arguments, not 0'],
    ['bun run native --fast', 'scripts/build-native.ts has no option --fast'],
    ['cd tritune-plugin-mine\nbun run publish', 'the package of a plugin has no script publish'],
    ['bun scripts/gone.ts', 'there is no scripts/gone.ts'],
  ])('%s', async (code, expected) => {
    expect((await faults(code))[0]).toStartWith(expected)
  })
})

describe('docs/command.md', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/command.md'), 'utf8')

  test('has every command', () => {
    const told = [...page.matchAll(/^\| (`.+?) \| /gm)].flatMap(([, cell]) =>
      [...cell.matchAll(/`([\w-]+)/g)].map(([, name]) => name),
    )
    expect(COMMANDS.map(({ name }) => name).filter((name) => !told.includes(name))).toEqual([])
  })

  test('names those with --json', async () => {
    const [, list] = /With `--json` \((.*)\)/.exec(page) ?? []
    const have: string[] = []
    for (const { name, load } of COMMANDS) if ('json' in (await load()).options) have.push(name)
    expect(list.replaceAll('`', '').split(', ').toSorted()).toEqual(have.toSorted())
  })
})
