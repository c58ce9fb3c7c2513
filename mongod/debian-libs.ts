import { copyFile, mkdir, readdir, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exists, fillCache } from "./cache.ts";
import { runFetching } from "./progress.ts";
import { run } from "./run.ts";
import type { Log } from "./types.ts";

const RELEASE = "trixie";
const PACKAGE = "libcurl4t64"; // what mongod links, with all it needs: libssl3, libgcc, libc6 2.41 …
const INDEX_AND_PACKAGES_BYTES = 22_500_000;
const TRIPLET = "usr/lib/x86_64-linux-gnu";
const LOADER = "ld-linux-x86-64.so.2";

/**
 * The command before a mongod that runs it with Debian 13's C library and the other libraries it links, for systems whose
 * own are too old (Debian 12 has glibc 2.36, the npm build wants 2.38) or missing (libcurl4 on a slim image).
 * All of them from one release, so that they fit each other; they are only used for this one program, nothing is
 * installed, no root is needed, and apt checks the archive's signature. About 13 MB over the system's own mirror.
 */
export async function debianLibraries(cacheDir: string, log: Log): Promise<string[]> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("no libraries for this platform");
  const name = `debian-${RELEASE}-libs`;
  let dir = join(cacheDir, name);
  if (!(await exists(dir))) {
    log(`fetching the libraries mongod needs from Debian ${RELEASE}, through apt, into the cache only`);
    dir = await fillCache(cacheDir, name, (draft) => fetchLibraries(draft, log));
  }
  return [join(dir, LOADER), "--library-path", dir];
}

async function fetchLibraries(dir: string, log: Log) {
  // Beside `dir`, thus removed with the rest of the draft.
  const apt = join(dir, "..", "apt");
  const files = join(apt, "files");
  await mkdir(join(apt, "lists/partial"), { recursive: true });
  await mkdir(join(apt, "cache/archives/partial"), { recursive: true });
  await mkdir(files);
  await writeFile(join(apt, "status"), "");
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  await writeFile(
    join(apt, "sources.list"),
    `deb [signed-by=${keys}] ${await debianMirror()} ${RELEASE} main\n`,
  );
  const options = [
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State=${apt}`,
    `Dir::State::status=${apt}/status`, // empty: "nothing is installed", so all dependencies are fetched
    `Dir::Cache=${apt}/cache`,
    "APT::Architecture=amd64",
    "APT::Architectures=amd64",
    "APT::Sandbox::User=root", // else root's private folder is out of reach for apt's own user
    "Acquire::Languages=none",
    "Acquire::Retries=1",
    "Debug::NoLocking=1",
  ].flatMap((option) => ["-o", option]);
  const what = { label: "fetching libraries", dir: apt, totalBytes: INDEX_AND_PACKAGES_BYTES, log };
  await runFetching(["apt-get", ...options, "update", "--error-on=any"], what);
  const install = ["-y", "--no-install-recommends", "--download-only", "install", PACKAGE];
  await runFetching(["apt-get", ...options, ...install], what);
  for (const deb of await readdir(join(apt, "cache/archives"))) {
    if (deb.endsWith(".deb")) await run(["dpkg-deb", "-x", join(apt, "cache/archives", deb), files]);
  }
  // One flat folder of the libraries under the names the loader looks for (libcurl.so.4, a link to libcurl.so.4.8.0).
  for (const entry of await readdir(join(files, TRIPLET))) {
    if (!/\.so\.\d+$/.test(entry)) continue;
    await copyFile(await realpath(join(files, TRIPLET, entry)), join(dir, entry));
  }
}

/** The mirror this system's apt is set to use, so that its proxy and network rules hold. */
async function debianMirror() {
  const sites = await run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]);
  const mirror = sites.split("\n").find((site) => /\/debian\/?$/.test(site));
  if (!mirror) throw new Error("apt knows no Debian mirror");
  return mirror;
}
