/**
 * What runs inside of an emulated machine: `bun inside.ts <task> <file> <options as JSON>` does a task on the CPU device and writes
 * what came out. It compares nothing with anybody else: that is done outside, where references are quick.
 */
import { writeFileSync } from 'node:fs'
import { openLibrary } from '../../core/native/library.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { runLora } from './inside-lora.ts'
import { runOps } from './inside-ops.ts'
import { runQuickstart } from './inside-quickstart.ts'
import type { Facts, Task, TaskOptions } from './tasks.ts'

const [task, file, text] = process.argv.slice(2)
const options: TaskOptions = JSON.parse(text)
const { threads, isa = 'auto' } = options
const device = openCpu({ threads, isa })
const facts: Facts = {
  platform: `${process.platform}-${process.arch}`,
  device: device.description,
  sources: String(openLibrary('cpu').info['sources']),
}

const TASKS: { readonly [T in Task]: () => object | Promise<object> } = {
  facts: () => ({}),
  ops: () => runOps(device, options, `${file}.safetensors`),
  lora: () => runLora(device, options),
  quickstart: () => runQuickstart(device, options),
}

const found = Object.entries(TASKS).find(([name]) => name === task)
if (!found) throw new Error(`no task ${task}`)
writeFileSync(file, JSON.stringify({ facts, ...(await found[1]()) }))
