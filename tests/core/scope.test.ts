/**
 * Lifetimes: scopes, keep, dispose, views, and the report of a scope that is open across an await.
 */
import { describe, expect, test } from 'bun:test'
import {
  countLiveTensors,
  currentScope,
  empty,
  parameter,
  referenceDevice,
  scoped,
  tensor,
  tensorScope,
  TrituneError,
  zeros,
} from '../../core/mod.ts'

const CORE = new URL('../../core/mod.ts', import.meta.url).pathname

describe('tensorScope()', () => {
  test('frees what was made under it and gives back the memory', () => {
    const [tensors, { live }] = [countLiveTensors(), referenceDevice.memory()]
    {
      using _scope = tensorScope()
      zeros([100])
      empty([50], { dtype: 'bf16' })
      expect(referenceDevice.memory().live - live).toBe(500)
    }
    expect(countLiveTensors()).toBe(tensors)
    expect(referenceDevice.memory().live).toBe(live)
  })

  test('keep() hands tensors, lists and objects to the scope outside', () => {
    using outer = tensorScope()
    const { a, b } = scoped(() => ({ a: tensor([1]), b: tensor([2]), c: tensor([3]) }))
    const inner = scoped(() => [tensor([4]), tensor([5])])
    expect([a, b, ...inner].map((t) => t.item())).toEqual([1, 2, 4, 5])
    expect(currentScope()).toBe(outer)
  })

  test('keep() at the outermost scope makes the caller the owner', () => {
    const kept = scoped(() => tensor([7]))
    expect(kept.item()).toBe(7)
    kept.dispose()
    expect(kept.disposed).toBe(true)
  })

  test('must close in the reverse order of opening', () => {
    const outer = tensorScope()
    const inner = tensorScope()
    expect(() => outer[Symbol.dispose]()).toThrow('reverse order')
    inner[Symbol.dispose]()
    outer[Symbol.dispose]()
    outer[Symbol.dispose]()
    expect(currentScope()).toBeNull()
  })

  test('open across an await is reported with the place where it was opened', async () => {
    const script = `
      const { tensorScope } = await import(${JSON.stringify(CORE)})
      async function wrong() { using scope = tensorScope(); await 0; await Bun.sleep(1) }
      process.on('uncaughtException', (error) => {
        console.log(error.code, error.message.includes('await'), error.cause.stack.includes('wrong'))
        process.exit(3)
      })
      for (let i = 0; i < 3; i++) { using scope = tensorScope() }
      await Bun.sleep(0)
      console.log('fine so far')
      await wrong()`
    const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' })
    expect(await new Response(child.stdout).text()).toBe('fine so far\nE_SCOPE true true\n')
    expect(await child.exited).toBe(3)
  })
})

describe('dispose()', () => {
  test('makes later use an error that says what to do', () => {
    const x = tensor([1, 2])
    x.dispose()
    x.dispose()
    for (const use of [() => x.toArray(), () => x.host(), () => x.address, () => x.view([2])]) {
      expect(use).toThrow(TrituneError)
      expect(use).toThrow('used after it was disposed')
    }
  })

  test('frees memory with the last view, and the gradient with its leaf', () => {
    const { live } = referenceDevice.memory()
    const x = parameter(tensor([1, 2, 3, 4]))
    x.grad = zeros([4])
    const row = x.window([2], 2)
    const alias = x.alias()
    x.dispose()
    expect(row.toArray()).toEqual(new Float32Array([3, 4]))
    row.dispose()
    expect(referenceDevice.memory().live - live).toBe(16)
    alias.dispose()
    expect(referenceDevice.memory().live).toBe(live)
  })
})
