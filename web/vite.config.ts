import { fileURLToPath } from "node:url";
import { type BuildEnvironmentOptions, defineConfig } from "vite";

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

/** `vite build --app` makes them all. */
export default defineConfig({
  root: path("."),
  publicDir: false,
  build: { target, cssTarget: target, emptyOutDir: true, reportCompressedSize: false },
  environments: Object.fromEntries(
    Object.entries(builds).map(([name, build]) => [name, { build, consumer: "client" }]),
  ),
  builder: {
    async buildApp({ build, environments }) {
      for (const [name, one] of Object.entries(environments)) if (name in builds) await build(one);
    },
  },
});
