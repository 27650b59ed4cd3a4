/**
 * The programs that run a plugin's own tests: what a person types in its folder, and how many tests each says that it ran. The tests are those
 * that `tritune create-plugin` makes.
 */

export interface TestRunner {
  readonly name: string
  /** The script of the plugin's package.json. */
  readonly script: string
  readonly command: readonly string[]
  /** How many tests passed and failed; NaN where the output does not say. */
  read(output: string): TestCounts
}

export interface TestCounts {
  readonly passed: number
  readonly failed: number
}

export const TEST_RUNNERS: readonly TestRunner[] = [
  {
    name: 'bun test',
    script: 'test',
    command: ['bun', 'test'],
    read: (text) => counts(text, /^ *(\d+) pass$/m, /^ *(\d+) fail$/m),
  },
  {
    name: 'deno test',
    script: 'test:deno',
    command: ['deno', 'test', '-A'],
    read: (text) => counts(text, /(\d+) passed/, /(\d+) failed/),
  },
  {
    name: 'node --test',
    script: 'test:node',
    command: ['node', '--test', 'test/*.test.ts'],
    read: (text) => counts(text, /^[#ℹ] pass (\d+)$/m, /^[#ℹ] fail (\d+)$/m),
  },
  {
    name: 'vitest',
    script: 'test:vitest',
    command: ['node', 'node_modules/vitest/vitest.mjs', 'run'],
    read: (text) => counts(text, /^ *Tests +(?:\d+ failed \| )?(\d+) passed/m, /^ *Tests +(\d+) failed/m),
  },
]

// ---- helpers ----

/** vitest says nothing of failures where there are none. */
function counts(text: string, passed: RegExp, failed: RegExp): TestCounts {
  const plain = stripColours(text)
  const number = (found: RegExpExecArray | null, otherwise: number): number =>
    found === null ? otherwise : Number(found[1])
  const good = number(passed.exec(plain), Number.NaN)
  const bad = number(failed.exec(plain), Number.isNaN(good) ? Number.NaN : 0)
  return { passed: Number.isNaN(good) && bad > 0 ? 0 : good, failed: bad }
}

function stripColours(text: string): string {
  return text.replaceAll(new RegExp(`${String.fromCodePoint(27)}\\[[\\d;]*m`, 'g'), '')
}
