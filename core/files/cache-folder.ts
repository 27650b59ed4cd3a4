/**
 * Where tritune keeps what it can make again: the folder that each system has for it. Models of the Hugging Face hub are not
 * there: they lie where huggingface_hub has them (plugins/hub/settings.ts).
 */
import { homedir } from 'node:os'
import { posix, win32 } from 'node:path'

export interface FolderFacts {
  readonly platform: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
}

/**
 * $XDG_CACHE_HOME/tritune or ~/.cache/tritune, ~/Library/Caches/tritune on macOS, %LOCALAPPDATA%\\tritune\\Cache on Windows.
 * TRITUNE_CACHE names another folder. It need not be there.
 */
export function cacheFolder({ platform, env, home }: FolderFacts = factsOfProcess()): string {
  if (env['TRITUNE_CACHE']) return env['TRITUNE_CACHE']
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local')
    return win32.join(local, 'tritune', 'Cache')
  }
  if (platform === 'darwin') return posix.join(home, 'Library', 'Caches', 'tritune')
  // By the specification a relative one does not count. https://specifications.freedesktop.org/basedir-spec/
  const xdg = env['XDG_CACHE_HOME'] ?? ''
  return posix.join(posix.isAbsolute(xdg) ? xdg : posix.join(home, '.cache'), 'tritune')
}

function factsOfProcess(): FolderFacts {
  return { platform: process.platform, env: process.env, home: homedir() }
}
