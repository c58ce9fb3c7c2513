import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const folder = fileURLToPath(new URL("types", import.meta.url));
const compiler = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

/** A compiler's start takes seconds on a busy machine. */
const timeout = 240_000;

test.each([
  ["react", "react.tsx", { jsx: "react-jsx", jsxImportSource: "react" }],
  ["preact", "preact.tsx", { jsx: "react-jsx", jsxImportSource: "preact" }],
  ["solid", "solid.tsx", { jsx: "preserve", jsxImportSource: "solid-js" }],
  ["svelte", "svelte.ts", {}],
  ["vue", "vue.ts", {}],
])(
  "belfry/inbox/%s types the tag's attributes, properties and events",
  { timeout },
  (name, file, compilerOptions) => {
    const project = `${folder}/tsconfig.${name}.json`;
    writeFileSync(project, JSON.stringify({ extends: "./tsconfig.json", compilerOptions, files: [file] }));
    onTestFinished(() => rmSync(project));
    const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", project], { encoding: "utf8" });
    expect([status, stdout]).toEqual([0, ""]);
  },
);
