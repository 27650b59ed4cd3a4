/**
 * One run at a time in an output folder, and what an earlier one left there.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/mod.ts'
import {
  findEarlierRun,
  listCheckpoints,
  lockOutputDir,
  refuseEarlierRun,
  removeEarlierRun,
} from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { createSpace } from '../../stress/space.ts'
import { fileBytes, metricsOf, workspace } from './_run.ts'

async function failure(work: () => unknown): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

const SAVING = { save_strategy: undefined, save_steps: 2 }

describe('lockOutputDir()', () => {
  test('refuses a second run, by any path, and names the first', async () => {
    using folder = temporaryFolder()
    const out = join(folder.path, 'a/out')
    const lock = await lockOutputDir(out)
    const error = await failure(() => lockOutputDir(join(folder.path, 'a/../a/out/')))
    expect(error.code).toBe('E_BUSY')
    expect(error.message).toMatch(
      new RegExp(
        `out/: another run is at work here: process ${process.pid} on \\S+, since \\d{4}-.* UTC\n  → wait`,
      ),
    )
    lock[Symbol.dispose]()
    expect(existsSync(join(folder.path, 'a'))).toBe(false)
    ;(await lockOutputDir(out))[Symbol.dispose]()
  })

  test('is taken by train(), too', async () => {
    using space = workspace()
    using _lock = await lockOutputDir(join(space.path, 'out'))
    expect((await failure(() => space.train())).code).toBe('E_BUSY')
  })

  test('puts back a checkpoint that a killed run had moved aside', async () => {
    using space = workspace()
    const whole = await space.train({ ...SAVING, output_dir: join(space.path, 'whole') })
    const out = join(space.path, 'out')
    await space.train(SAVING)
    renameSync(join(out, 'checkpoint-6'), join(out, `.checkpoint-6.old-other-host-${process.pid}-x`))
    mkdirSync(join(out, `.checkpoint-6.tmp-${hostname()}-${process.pid}-y`))
    const { events } = await space.train(SAVING, { resume: 'newest' })
    expect(events).toContainEqual({
      type: 'note',
      text: expect.stringContaining('checkpoint-6 at step 6'),
    })
    expect(readdirSync(out).toSorted()).toEqual(readdirSync(whole.outputDir).toSorted())
  })

  test('a checkpoint too many, of a run that was killed after a save, goes at the resume', async () => {
    using space = workspace()
    const changes = { ...SAVING, save_total_limit: 2 }
    const { outputDir } = await space.train(changes)
    cpSync(join(outputDir, 'checkpoint-4'), join(outputDir, 'checkpoint-2'), { recursive: true })
    await space.train(changes, { resume: 'newest' })
    expect(listCheckpoints(outputDir).map(({ step }) => step)).toEqual([4, 6])
  })

  test.each(['a\0b', '\0', `${'x'.repeat(300)}`])('%j is one error that says why', async (name) => {
    using folder = temporaryFolder()
    const error = await failure(() => lockOutputDir(join(folder.path, name)))
    expect(error.code).toBe('E_FILE')
    expect(error.message).toMatch(/NUL character|name is too long/)
    expect(error.message).not.toContain('\0')
  })
})

describe('an earlier run', () => {
  test('is finished when its last file says so', async () => {
    using space = workspace()
    const out = join(space.path, 'out')
    expect(findEarlierRun(out)).toEqual({ finished: false, steps: null, newest: null, started: false })
    await space.train(SAVING)
    expect(findEarlierRun(out)).toMatchObject({ finished: true, steps: 6, started: true })
    expect((await failure(() => refuseEarlierRun(out))).message).toMatch(
      /a finished run is here \(6 steps\)[^]*--overwrite/,
    )
    rmSync(join(out, 'finished.json'))
    expect(findEarlierRun(out)).toMatchObject({ finished: false, newest: join(out, 'checkpoint-6') })
    expect((await failure(() => refuseEarlierRun(out))).message).toMatch(
      /left checkpoint-6 here[^]*--resume[^]*--overwrite/,
    )
    for (const { folder } of listCheckpoints(out)) rmSync(folder, { recursive: true })
    // As runs left it that knew no finished.json.
    expect(findEarlierRun(out)).toMatchObject({ finished: true, steps: null })
  })

  test('that is resumed is not finished until it ends again', async () => {
    using space = workspace()
    const out = join(space.path, 'out')
    await space.train(SAVING)
    await space.train(SAVING, {
      resume: { folder: join(out, 'checkpoint-2') },
      onEvent: ({ type }) => {
        if (type === 'step') expect(findEarlierRun(out).finished).toBe(false)
      },
    })
    expect(findEarlierRun(out).finished).toBe(true)
  })

  test('is removed with all of its own, and nothing else', async () => {
    using space = workspace()
    const out = join(space.path, 'out')
    await space.train({ ...SAVING, adapter: 'none' })
    writeFileSync(join(out, 'notes.txt'), 'mine')
    mkdirSync(join(out, 'merged'))
    removeEarlierRun(out)
    expect(readdirSync(out).toSorted()).toEqual(['merged', 'notes.txt'])
  })
})

describe('the command', () => {
  test('says at once that a run is finished, and trains it again with --overwrite', async () => {
    using space = createSpace({ steps: 6 })
    const first = await space.start('lora', 'out').ended
    expect(first.code).toBe(0)
    const before = metricsOf(join(space.path, 'out'))
    const weights = fileBytes(space.path, 'out/adapter_model.safetensors')
    // Nothing is loaded: there is no model any more.
    renameSync(join(space.path, 'model'), join(space.path, 'away'))
    const again = await space.start('lora', 'out').ended
    expect(again.code).toBe(1)
    expect(again.output).toMatch(/^error: \.\/out: a finished run is here \(6 steps\)\n {2}→ .*--overwrite/)
    const resumed = await space.start('lora', 'out', ['--resume']).ended
    expect(resumed.code).toBe(0)
    expect(resumed.output).toBe(
      'the run in ./out is finished after 6 steps: nothing to resume; --overwrite trains it again\n',
    )
    // What is there stays until the new run is ready to start.
    expect((await space.start('lora', 'out', ['--overwrite']).ended).code).toBe(1)
    expect(fileBytes(space.path, 'out/adapter_model.safetensors').equals(weights)).toBe(true)
    renameSync(join(space.path, 'away'), join(space.path, 'model'))
    const both = await space.start('lora', 'out', ['--overwrite', '--resume']).ended
    expect([both.code, both.output]).toEqual([2, expect.stringContaining('--overwrite starts anew')])
    const anew = await space.start('lora', 'out', ['--overwrite', '--set', 'seed=6']).ended
    expect(anew.code).toBe(0)
    expect(anew.output).not.toContain('resumed')
    expect(metricsOf(join(space.path, 'out'))).not.toEqual(before)
    expect(metricsOf(join(space.path, 'out')).length).toBe(before.length)
  }, 60_000)

  test('says that there is nothing to go on from, and starts', async () => {
    using space = createSpace({ steps: 4 })
    const auto = ['--set', 'auto_resume_from_checkpoints=true']
    const { code, output } = await space.start('lora', 'out', auto).ended
    expect(code).toBe(0)
    expect(output).toContain('no checkpoint in ./out: starting at step 0')
    const none = await space.start('lora', 'other', ['--resume']).ended
    expect([none.code, none.output]).toEqual([
      1,
      expect.stringContaining('there is no checkpoint to resume from'),
    ])
    expect(existsSync(join(space.path, 'other'))).toBe(false)
  }, 30_000)

  test('obeys HF_HUB_OFFLINE', () => {
    using space = createSpace({ steps: 4 })
    for (const script of ['finetune', 'generate', 'merge']) {
      const args = {
        finetune: ['lora.yaml', '--set', 'base_model=org/none'],
        generate: ['org/none', '--prompt', 'x'],
        merge: ['org/none', 'none', 'merged'],
      }[script]
      const path = fileURLToPath(new URL(`../../../scripts/${script}.ts`, import.meta.url))
      // Nobody listens there: who asked would say so.
      const env = {
        ...process.env,
        HF_HUB_OFFLINE: '1',
        HF_HOME: space.path,
        HF_ENDPOINT: 'http://127.0.0.1:9',
      }
      const { stderr, exitCode } = Bun.spawnSync([process.execPath, path, ...(args ?? [])], {
        cwd: space.path,
        env,
      })
      expect(exitCode).toBe(1)
      expect(stderr.toString()).toContain(
        'org/none: it is not in the cache, and the hub is switched off (offline)',
      )
    }
  }, 30_000)
})
