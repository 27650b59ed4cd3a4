/**
 * Who tells about a fine-tuning run: in text for people, or in JSON lines for programs. Decides nothing.
 */
import type { Monitor, RunResult } from '../../core/mod.ts'
import type { PrepareOptions, Run } from '../../plugins/finetune/mod.ts'

export interface Teller {
  /** What takes time before there is a run: who is waited for, what is checked. */
  notice(text: string): void
  download: NonNullable<PrepareOptions['onDownload']>
  tokenize: NonNullable<PrepareOptions['onTokenize']>
  /** How the run starts, where that may surprise. */
  remark(text: string): void
  /** For --dry-run: the plan and three examples. */
  plan(run: Run): void
  /** They watch the training. */
  monitors(run: Run): readonly Monitor[]
  /** The last words. null: nothing was trained; `command` is what to type next. */
  end(done: { readonly run: Run; readonly result: RunResult; readonly command: string } | null): void
}
