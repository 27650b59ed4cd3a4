/**
 * The kit for a GPU machine on a small tree: what is set aside comes back to the byte, whatever interrupts it.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeArchive, runtimePackages } from '../../scripts/gpu-kit/archive.ts'
import { type Chosen, type Kit, putBack, setAside } from '../../scripts/gpu-kit/aside.ts'
import { commandLine } from '../../scripts/gpu-kit/command.ts'
import { ARCHIVE, BUN, STAYS, TRAVELS } from '../../scripts/gpu-kit/contents.ts'
import { trackedFiles } from '../../scripts/gpu-kit/git.ts'
import { resultProblems } from '../../scripts/gpu-kit/rehearse.ts'
import { expectWithin, totalOf, travellers, weightTable } from '../../scripts/gpu-kit/travels.ts'
import { temporaryFolder } from '../_golden.ts'

const REPOSITORY = join(import.meta.dir, '../..')
const CHOSEN: Chosen = { paths: ['libs', 'model.bin'], except: ['libs/needed'] }
/** In the order in which they move. */
const MOVED = ['libs/a.so', 'libs/deep/b.so', 'libs/link', 'model.bin']

let folder: ReturnType<typeof temporaryFolder>
let kit: Kit
beforeEach(() => {
  folder = temporaryFolder()
  kit = fakeTree(folder.path)
})
afterEach(() => folder[Symbol.dispose]())

function git(root: string, ...args: readonly string[]): void {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']
  const { status, stderr } = spawnSync('git', [...identity, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
  })
  if (status !== 0) throw new Error(stderr)
}

function fakeTree(root: string): Kit {
  for (const made of ['libs/deep', 'libs/needed', 'src', '.cache'])
    mkdirSync(join(root, made), { recursive: true })
  const files = {
    '.gitignore': '.cache/\nnode_modules\n*.log\n',
    'libs/a.so': 'A'.repeat(5000),
    'libs/deep/b.so': 'B'.repeat(3000),
    'libs/needed/c.json': '{}',
    'model.bin': 'M'.repeat(70),
    'src/main.ts': 'export {}\n',
  }
  for (const [path, content] of Object.entries(files)) writeFileSync(join(root, path), content)
  symlinkSync('deep/b.so', join(root, 'libs/link'))
  chmodSync(join(root, 'libs/a.so'), 0o755)
  utimesSync(join(root, 'model.bin'), 1e9, 1e9)
  git(root, 'init', '-q')
  git(root, 'add', '-A')
  git(root, 'commit', '-qm', 'all')
  return { root, store: join(root, '.cache/kit') }
}

/** Every file and folder of the tree: what it is, its mode, its time, its content. */
function snapshot({ root }: Kit): Record<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !/^(?:\.git|\.cache)(?:\/|$)/.test(name),
  )
  return Object.fromEntries(
    names.toSorted().map((name) => {
      const place = join(root, name)
      const stat = lstatSync(place)
      if (stat.isDirectory()) return [name, `folder ${stat.mode}`]
      const content = stat.isSymbolicLink() ? readlinkSync(place) : readFileSync(place, 'utf8')
      return [name, `${stat.mode} ${stat.mtimeMs} ${content}`]
    }),
  )
}

function interruptAfter(count: number): () => void {
  let done = 0
  return () => {
    if (++done >= count) throw new Error('interrupted')
  }
}

describe('setAside() and putBack()', () => {
  test('there and back: every file with its mode, time and content', () => {
    const before = snapshot(kit)
    expect(setAside(kit, CHOSEN).map(({ path }) => path)).toEqual(MOVED)
    for (const path of MOVED) expect(() => lstatSync(join(kit.root, path))).toThrow()
    expect(existsSync(join(kit.root, 'libs/needed/c.json'))).toBe(true)
    expect(putBack(kit)).toHaveLength(MOVED.length)
    expect(snapshot(kit)).toEqual(before)
    expect(readdirSync(kit.store)).toEqual([])
    setAside(kit, CHOSEN)
    putBack(kit)
    expect(snapshot(kit)).toEqual(before)
  })

  for (let there = 1; there <= MOVED.length; there++) {
    test(`interrupted after ${there} of ${MOVED.length} files, and again on the way back`, () => {
      const before = snapshot(kit)
      expect(() => setAside(kit, CHOSEN, interruptAfter(there))).toThrow('interrupted')
      expect(() => setAside(kit, CHOSEN)).toThrow('set aside already')
      for (let back = 1; back <= MOVED.length; back++)
        expect(() => putBack(kit, interruptAfter(back))).toThrow('interrupted')
      putBack(kit)
      expect(snapshot(kit)).toEqual(before)
      expect(readdirSync(kit.store)).toEqual([])
    })
  }

  test('killed in the middle, both ways', () => {
    const before = snapshot(kit)
    const killed = (what: string): void => {
      const code = `
        import { putBack, setAside } from ${JSON.stringify(join(REPOSITORY, 'scripts/gpu-kit/aside.ts'))}
        let moved = 0
        const kill = () => { if (++moved === 2) process.kill(process.pid, 'SIGKILL') }
        ${what}`
      expect(spawnSync(process.execPath, ['-e', code]).signal).toBe('SIGKILL')
    }
    killed(`setAside(${JSON.stringify(kit)}, ${JSON.stringify(CHOSEN)}, kill)`)
    expect(snapshot(kit)).not.toEqual(before)
    killed(`putBack(${JSON.stringify(kit)}, kill)`)
    putBack(kit)
    expect(snapshot(kit)).toEqual(before)
  })

  test('refuses twice, changes, new files, and what is not there; nothing moves', () => {
    const refused = (message: string, chosen = CHOSEN): void => {
      const before = snapshot(kit)
      expect(() => setAside(kit, chosen)).toThrow(message)
      expect(snapshot(kit)).toEqual(before)
      expect(existsSync(kit.store)).toBe(false)
    }
    expect(() => putBack(kit)).toThrow('nothing is set aside')
    refused('git tracks nothing there', { paths: ['libs', 'absent'] })
    writeFileSync(join(kit.root, 'libs/new.so'), 'new')
    refused('git sees changes in what is to be set aside: ?? libs/new.so')
    git(kit.root, 'add', 'libs/new.so')
    refused('A  libs/new.so')
    git(kit.root, 'commit', '-qm', 'new')
    writeFileSync(join(kit.root, 'model.bin'), 'changed')
    refused(' M model.bin')
    git(kit.root, 'checkout', '-q', 'model.bin')
    writeFileSync(join(kit.root, 'src/main.ts'), 'changed elsewhere')
    setAside(kit, CHOSEN)
    expect(() => setAside(kit, CHOSEN)).toThrow('unpack` puts them back')
    putBack(kit)
  })

  test('a file that git made again meanwhile is taken for what it is', () => {
    const before = snapshot(kit)
    setAside(kit, CHOSEN)
    git(kit.root, 'checkout', '-q', '--', 'libs/a.so')
    putBack(kit)
    expect({ ...snapshot(kit), 'libs/a.so': '' }).toEqual({ ...before, 'libs/a.so': '' })
    expect(readdirSync(kit.store)).toEqual([])
  })

  test('another file in its place, a changed one and a lost one are named; both versions stay, the others are back', () => {
    setAside(kit, CHOSEN)
    writeFileSync(join(kit.root, 'model.bin'), 'mine')
    const shelf = join(kit.store, 'aside')
    writeFileSync(join(shelf, 'libs/deep/b.so'), 'changed')
    expect(() => putBack(kit)).toThrow(
      /libs\/deep\/b.so: what was set aside was changed\n.*model.bin: there is another one in the tree/,
    )
    expect(readFileSync(join(kit.root, 'model.bin'), 'utf8')).toBe('mine')
    expect(readFileSync(join(shelf, 'model.bin'), 'utf8')).toBe('M'.repeat(70))
    expect(existsSync(join(kit.root, 'libs/a.so'))).toBe(true)
    git(kit.root, 'checkout', '-q', '--', 'model.bin')
    writeFileSync(join(shelf, 'libs/deep/b.so'), 'B'.repeat(3000))
    writeFileSync(join(shelf, 'libs/stray'), 'whose?')
    expect(() => putBack(kit)).toThrow('was not among those that were set aside')
    expect(readFileSync(join(shelf, 'libs/stray'), 'utf8')).toBe('whose?')
  })
})

describe('what travels', () => {
  test('tracked and new files, without those set aside, and the carried ones', () => {
    writeFileSync(join(kit.root, 'src/new.ts'), '12345')
    writeFileSync(join(kit.root, 'src/x.log'), 'ignored')
    writeFileSync(join(kit.root, '.cache/kit.tar.xz'), '1234567890')
    const options = { carried: ['.cache/kit.tar.xz'] }
    const before = travellers(kit.root, { ...options, without: MOVED })
    setAside(kit, CHOSEN)
    const files = travellers(kit.root, options)
    expect(files).toEqual(before)
    expect(files.map(({ path }) => path)).toEqual([
      '.gitignore',
      'libs/needed/c.json',
      'src/main.ts',
      'src/new.ts',
      '.cache/kit.tar.xz',
    ])
    expect(totalOf(files)).toBe(27 + 2 + 10 + 5 + 10)
    expect(weightTable(files, 2)).toEqual([
      '     0.0 MiB  . (1 files)',
      '     0.0 MiB  src (2 files)',
      '     0.0 MiB  2 other folders',
      '     0.0 MiB  in all (5 files)',
    ])
    expectWithin(files, 54)
    expect(() => expectWithin(files, 53)).toThrow('would travel, at most')
    putBack(kit)
  })

  test('what stays here is in the repository, and what travels of it too', () => {
    for (const path of [...Object.keys(STAYS), ...TRAVELS])
      expect([path, trackedFiles(REPOSITORY, [path]).length > 0]).toEqual([path, true])
  })

  test('the command is one line that a shell understands', () => {
    const line = commandLine({ python: 'python3', more: ['--only', 'ops,losses'] })
    expect(line).not.toContain('\n')
    expect(line.length).toBeLessThanOrEqual(2000)
    expect(spawnSync('bash', ['-n', '-c', line]).status).toBe(0)
    expect(() => commandLine({ python: null, more: ['x'.repeat(2000)] })).toThrow('at most 2000')
  })

  test.if(Bun.which('xz') !== null)(
    'the archive has Bun and the packages of the run, and is made once',
    () => {
      const modules = join(kit.root, 'node_modules')
      const packages = { one: { dependencies: { '@scope/two': '1' } }, '@scope/two': {}, tool: {} }
      for (const [name, content] of Object.entries(packages)) {
        mkdirSync(join(modules, name), { recursive: true })
        writeFileSync(join(modules, name, 'package.json'), JSON.stringify(content))
        writeFileSync(join(modules, name, 'index.d.ts'), 'types')
      }
      const own = { dependencies: { one: '1' }, devDependencies: { tool: '1' } }
      writeFileSync(join(kit.root, 'package.json'), JSON.stringify(own))
      writeFileSync(join(kit.root, 'bun'), 'a program', { mode: 0o755 })
      expect(runtimePackages(kit.root)).toEqual(['@scope/two', 'one'])
      expect(makeArchive(kit.root, join(kit.root, 'bun'))).toBe(true)
      expect(makeArchive(kit.root, join(kit.root, 'bun'))).toBe(false)
      const { stdout } = spawnSync('tar', ['-tJf', join(kit.root, ARCHIVE)], { encoding: 'utf8' })
      const files = stdout.split('\n').filter((name) => name !== '' && !name.endsWith('/'))
      expect(files).toEqual([BUN, 'node_modules/@scope/two/package.json', 'node_modules/one/package.json'])
      writeFileSync(join(kit.root, 'bun'), 'another one')
      expect(makeArchive(kit.root, join(kit.root, 'bun'))).toBe(true)
      writeFileSync(join(kit.root, 'package.json'), JSON.stringify({ dependencies: { three: '1' } }))
      expect(() => makeArchive(kit.root, join(kit.root, 'bun'))).toThrow('the package is not installed')
    },
  )
})

describe('what comes back', () => {
  const head = { kind: 'head', command: 'c', date: '2026-01-31', seed: 1, emulated: true }
  const journal = (...entries: readonly object[]): void =>
    writeFileSync(
      join(kit.root, 'out/gpu.jsonl'),
      [head, ...entries].map((one) => `${JSON.stringify(one)}\n`).join(''),
    )
  beforeEach(() => mkdirSync(join(kit.root, 'out')))
  const problems = (...sections: readonly string[]): string[] =>
    resultProblems(join(kit.root, 'out'), sections)

  test('a journal in which every section ended and nothing failed', () => {
    expect(problems('ops').join()).toContain('gpu.jsonl: cannot be read')
    journal({ kind: 'end', section: 'ops', seconds: 1 })
    expect(problems('ops')).toEqual([])
    expect(problems('ops', 'losses')).toEqual(['section losses did not come to its end'])
    journal(
      { kind: 'result', section: 'ops', name: 'add', ok: false, note: 'wrong' },
      { kind: 'end', section: 'ops' },
    )
    expect(problems('ops')).toEqual(['ops: add: wrong'])
  })

  test('few files, none too deep or oddly named', () => {
    journal()
    mkdirSync(join(kit.root, 'out/a/b/c'), { recursive: true })
    writeFileSync(join(kit.root, 'out/a/b/c/deep'), '')
    writeFileSync(join(kit.root, 'out/a name'), '')
    expect(problems().toSorted()).toEqual(['a name: would not come back', 'a/b/c/deep: would not come back'])
    for (let i = 0; i < 8; i++) writeFileSync(join(kit.root, `out/${i}`), '')
    expect(problems()[0]).toBe('11 files, at most 8 come back')
  })
})
