import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildEnvironmentOptions, defineConfig, type Plugin } from "vite";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Browsers that have `light-dark()` and popovers: nothing is rewritten for older ones. */
const target = ["chrome123", "firefox125", "safari17.5"];

/** What browsers get, each with a folder of its own in `dist/web`. */
const builds: Record<string, BuildEnvironmentOptions> = {
  /** One file that asks for no other: a page has the tag by that one address. */
  inbox: {
    outDir: path("../dist/web/inbox"),
    rolldownOptions: {
      input: path("inbox/index.ts"),
      output: { entryFileNames: "inbox.js", codeSplitting: false, comments: { legal: true } },
      preserveEntrySignatures: "exports-only",
    },
  },
  preferences: {
    outDir: path("../dist/web/preferences"),
    rolldownOptions: {
      input: path("preferences/index.ts"),
      output: { entryFileNames: "preferences.js", codeSplitting: false, comments: { legal: true } },
      preserveEntrySignatures: "exports-only",
    },
  },
  /** The view with plots comes when it is wanted: the library that draws them is as large as all the rest. */
  console: {
    outDir: path("../dist/web/console"),
    modulePreload: false,
    rolldownOptions: {
      input: { console: path("console/main.ts") },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "console-[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
};

/** What was made before is there until it is replaced, since somebody may be serving it. What is made no more goes. */
const tidy: Plugin = {
  name: "tidy",
  writeBundle({ dir }, bundle) {
    if (!dir) return;
    for (const one of readdirSync(dir)) if (!(one in bundle)) rmSync(join(dir, one), { recursive: true });
  },
};

/** Live's chunk has no styles of its own and asks for no other: what vite puts around an `import()` finds nothing to do. */
const plainImport: Plugin = {
  name: "plain-import",
  enforce: "pre",
  load: (id) =>
    id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : undefined,
};

/** `vite build --app` makes them all. */
export default defineConfig({
  root: path("."),
  publicDir: false,
  build: { target, cssTarget: target, emptyOutDir: false, reportCompressedSize: false },
  plugins: [tidy, plainImport],
  environments: Object.fromEntries(
    Object.entries(builds).map(([name, build]) => [name, { build, consumer: "client" }]),
  ),
  builder: {
    async buildApp({ build, environments }) {
      for (const [name, one] of Object.entries(environments)) if (name in builds) await build(one);
    },
  },
});
