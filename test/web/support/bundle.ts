import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { compile } from "svelte/compiler";
import { build, type Plugin } from "vite";
import { onTestFinished } from "vitest";
import { compileScript, parse } from "vue/compiler-sfc";

/** What Vue's and Svelte's own plugins for Vite do, as far as an example of ours needs it. */
const vue: Plugin = {
  name: "vue",
  transform(code, file) {
    if (!file.endsWith(".vue")) return undefined;
    const { descriptor } = parse(code, { filename: file });
    const isCustomElement = (tag: string) => tag === "belfry-inbox";
    const options = { compilerOptions: { isCustomElement } };
    return {
      code: compileScript(descriptor, { id: "app", inlineTemplate: true, templateOptions: options }).content,
    };
  },
};
const svelte: Plugin = {
  name: "svelte",
  transform(code, file) {
    return file.endsWith(".svelte") ? { code: compile(code, { filename: file }).js.code } : undefined;
  },
};

/** A folder with the example as browsers get it, gone after the test. The service's address in it is `service`. */
export async function bundled(example: string, service: string): Promise<string> {
  const root = fileURLToPath(new URL(`../../../examples/${example}`, import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "belfry-example-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  if (example === "inbox-html") cpSync(root, folder, { recursive: true });
  else
    await build({
      root,
      configFile: false,
      logLevel: "error",
      plugins: [vue, svelte],
      // As a visitor gets it: the test's own NODE_ENV is another.
      mode: "production",
      oxc: { jsx: { runtime: "automatic", development: false } },
      define: { "process.env.NODE_ENV": '"production"' },
      build: { outDir: folder, emptyOutDir: true, minify: false },
    });
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((one) =>
    /\.(js|html)$/.test(one),
  )) {
    const text = readFileSync(join(folder, file), "utf8");
    writeFileSync(join(folder, file), text.replaceAll("http://127.0.0.1:3000", service));
  }
  return folder;
}

/** `examples/inbox-html/serve.js` with that folder, as its head says how to run it. Resolves with its address. */
export async function served(folder: string, variables: Record<string, string>): Promise<string> {
  const { PATH = "", HOME = "" } = process.env;
  const server = spawn(process.execPath, ["examples/inbox-html/serve.js", folder], {
    cwd: fileURLToPath(new URL("../../..", import.meta.url)),
    env: { PATH, HOME, PORT: "0", ...variables },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void server.kill());
  const [url] = await once(createInterface({ input: server.stdout }), "line");
  return url;
}
