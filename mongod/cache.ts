import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

const DRAFT = ".fetch-";
const ABANDONED_MS = 3_600_000;

export function defaultCacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "belfry");
}

/**
 * Makes the folder `cacheDir/name` whole or not at all: `fill` works in a folder of its own beside it, and the result is
 * moved into place in one step. When two processes fill the same name, the first one's folder stays.
 */
export async function fillCache(cacheDir: string, name: string, fill: (dir: string) => Promise<void>) {
  const target = join(cacheDir, name);
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  await removeAbandoned(cacheDir);
  const draft = await mkdtemp(join(cacheDir, DRAFT));
  try {
    await mkdir(join(draft, name));
    await fill(join(draft, name));
    await rename(join(draft, name), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

/** Drafts of processes which were ended in the middle. */
async function removeAbandoned(cacheDir: string) {
  for (const name of await readdir(cacheDir)) {
    const dir = join(cacheDir, name);
    const info = name.startsWith(DRAFT) && (await stat(dir).catch(() => undefined));
    if (info && Date.now() - info.mtimeMs > ABANDONED_MS) await rm(dir, { recursive: true, force: true });
  }
}

export async function exists(path: string) {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Bytes in all files below a folder; files that vanish meanwhile count nothing. */
export async function bytesIn(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
