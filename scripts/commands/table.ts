/**
 * The commands of `tritune`: a new one is a line here and a script of its name in package.json. The module of a command is
 * imported when it is asked for, and imports no package at its top.
 */
import type { AnyCommand } from '../_cli.ts'

export interface CommandEntry {
  readonly name: string
  readonly topic: Topic
  /** For the list of commands: one line, no full stop. */
  readonly summary: string
  load(): Promise<AnyCommand>
}

export type Topic = 'start' | 'train' | 'look' | 'plugins' | 'shell'

/** In the order of the help text. */
export const TOPICS: Readonly<Record<Topic, string>> = {
  start: 'Start here',
  train: 'Train and use models',
  look: 'Look and measure',
  plugins: 'Plugins',
  shell: 'This command',
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'quickstart',
    topic: 'start',
    summary: 'fine-tune the bundled model on the bundled text',
    load: async () => (await import('./quickstart.ts')).quickstart,
  },
  {
    name: 'init',
    topic: 'start',
    summary: 'write the file of a first run, with comments',
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'validate',
    topic: 'train',
    summary: 'check the file of a run without loading weights',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'estimate',
    topic: 'train',
    summary: 'tell the memory and time of a run before its weights are downloaded',
    load: async () => (await import('./estimate.ts')).estimate,
  },
  {
    name: 'preview',
    topic: 'train',
    summary: 'show what of the data is trained, token by token',
    load: async () => (await import('./preview.ts')).preview,
  },
  {
    name: 'finetune',
    topic: 'train',
    summary: 'fine-tune a model as a YAML file says',
    load: async () => (await import('./finetune.ts')).finetune,
  },
  {
    name: 'monitor',
    topic: 'train',
    summary: 'watch runs while they go, and control them',
    load: async () => (await import('./monitor.ts')).monitor,
  },
  {
    name: 'generate',
    topic: 'train',
    summary: 'write text with a model, with or without an adapter',
    load: async () => (await import('./generate.ts')).generate,
  },
  {
    name: 'serve',
    topic: 'train',
    summary: 'serve a model to clients of OpenAI and Anthropic, and a page to chat on',
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'evaluate',
    topic: 'train',
    summary: 'measure a model by tasks, before and after a fine-tune',
    load: async () => (await import('./evaluate.ts')).evaluate,
  },
  {
    name: 'report',
    topic: 'look',
    summary: 'write the report of a run as one page: curves, samples, evaluation',
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'merge',
    topic: 'train',
    summary: 'fold an adapter into its base model',
    load: async () => (await import('./merge.ts')).merge,
  },
  {
    name: 'quantize',
    topic: 'train',
    summary: 'pack a model into 4 or 8 bits, as bitsandbytes does',
    load: async () => (await import('./quantize.ts')).quantize,
  },
  {
    name: 'adapter',
    topic: 'train',
    summary: 'list, inspect, combine and convert adapters',
    load: async () => (await import('./adapter.ts')).adapter,
  },
  {
    name: 'export',
    topic: 'train',
    summary: 'write a model or an adapter as GGUF, for Ollama, transformers, PEFT',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'runs',
    topic: 'look',
    summary: 'list, compare, prune and steer runs',
    load: async () => (await import('./runs.ts')).runs,
  },
  {
    name: 'schema',
    topic: 'look',
    summary: 'print the JSON Schema of a run, for editors',
    load: async () => (await import('./schema.ts')).schema,
  },
  {
    name: 'convert-config',
    topic: 'look',
    summary: 'turn a file of mlx-lm or LLaMA-Factory into one of tritune',
    load: async () => (await import('./convert-config.ts')).convertConfig,
  },
  {
    name: 'presets',
    topic: 'look',
    summary: 'list the models that can be trained from the start, and what they take',
    load: async () => (await import('./presets.ts')).presets,
  },
  {
    name: 'push',
    topic: 'train',
    summary: 'upload an adapter or a model to the hub',
    load: async () => (await import('./push.ts')).push,
  },
  {
    name: 'cache',
    topic: 'look',
    summary: 'list the models that were downloaded, and remove them',
    load: async () => (await import('./cache.ts')).cache,
  },
  {
    name: 'doctor',
    topic: 'look',
    summary: 'tell what is on this machine, and what is missing',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'bench',
    topic: 'look',
    summary: 'measure speed and memory, compared with torch where there is one',
    load: async () => (await import('../bench/mod.ts')).bench,
  },
  {
    name: 'completions',
    topic: 'shell',
    summary: 'print completions for bash, zsh or fish',
    load: async () => (await import('./completions.ts')).completions,
  },
  {
    name: 'plugins',
    topic: 'plugins',
    summary: 'list what is provided by whom, and why',
    load: async () => (await import('./plugins.ts')).plugins,
  },
  {
    name: 'create-plugin',
    topic: 'plugins',
    summary: 'make the package of a new plugin, ready to test and publish',
    load: async () => (await import('./create-plugin.ts')).createPluginCommand,
  },
]

/** The entry of a name; undefined when there is none. */
export function findCommand(name: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.name === name)
}
