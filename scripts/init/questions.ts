/** The four questions of `init`: model, data, what is trained, and where the result goes. */
import { basename, extname } from 'node:path'

/** What may be trained; the first where nothing is said. */
export const ADAPTERS = ['lora', 'qlora', 'none'] as const

/** What was said; not given: as by default. */
export interface Answers {
  readonly model?: string
  readonly data?: string
  readonly adapter?: string
  readonly outputDir?: string
}

/** `answer` shows a question and waits. */
export async function askAll(file: string, answer: (question: string) => Promise<string>): Promise<Answers> {
  const asked = async (question: string): Promise<string | undefined> =>
    (await answer(`${question}: `)).trim() || undefined
  return {
    model: await asked('1/4 base model (hub name, folder or .gguf; empty: the bundled one)'),
    data: await asked('2/4 data (file or folder; empty: the bundled texts)'),
    adapter: await asked(`3/4 what is trained (${ADAPTERS.join(', ')}; empty: ${ADAPTERS[0]})`),
    outputDir: await asked(`4/4 where the result goes (empty: ./outputs/${basename(file, extname(file))})`),
  }
}
