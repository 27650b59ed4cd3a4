/**
 * Where each system keeps caches.
 */
import { expect, test } from 'bun:test'
import { cacheFolder } from '../../core/files/cache-folder.ts'

const HOME = '/home-of/me'
const WINDOWS = String.raw`C:\Users\me`

test.each([
  ['linux', HOME, {}, '/home-of/me/.cache/tritune'],
  ['linux', HOME, { XDG_CACHE_HOME: '/fast/cache' }, '/fast/cache/tritune'],
  // By the XDG specification a relative path is to be ignored.
  ['linux', HOME, { XDG_CACHE_HOME: 'cache' }, '/home-of/me/.cache/tritune'],
  ['linux', HOME, { XDG_CACHE_HOME: '' }, '/home-of/me/.cache/tritune'],
  ['freebsd', HOME, {}, '/home-of/me/.cache/tritune'],
  ['darwin', '/Volumes/me', {}, '/Volumes/me/Library/Caches/tritune'],
  ['darwin', '/Volumes/me', { XDG_CACHE_HOME: '/x' }, '/Volumes/me/Library/Caches/tritune'],
  ['win32', WINDOWS, { LOCALAPPDATA: String.raw`D:\Local` }, String.raw`D:\Local\tritune\Cache`],
  ['win32', WINDOWS, { XDG_CACHE_HOME: '/x' }, String.raw`C:\Users\me\AppData\Local\tritune\Cache`],
  ['win32', WINDOWS, { TRITUNE_CACHE: String.raw`E:\t` }, String.raw`E:\t`],
  ['linux', HOME, { TRITUNE_CACHE: '/t' }, '/t'],
] as const)('%s, home %s, %o', (platform, home, env, expected) => {
  expect(cacheFolder({ platform, home, env })).toBe(expected)
})
