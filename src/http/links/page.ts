import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FastifyReply } from "fastify";

/** A text that is HTML already. */
export interface Html {
  html: string;
}
type Part = string | Html | Html[] | undefined;

/** HTML whose values are escaped, unless they are HTML themselves. */
export const html = (texts: TemplateStringsArray, ...parts: Part[]): Html => ({
  html: String.raw({ raw: texts }, ...parts.map(written)),
});

function written(part: Part): string {
  if (part === undefined) return "";
  if (typeof part === "string") return part.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
  return Array.isArray(part) ? part.map(written).join("") : part.html;
}

export interface Page {
  /** BCP 47. */
  language: string;
  title: string;
  body: Html;
  /** The path of a script, relative to the page. */
  script?: string;
}

// The paths are the same from `src` and from `dist`.
const files = ["../../../web/look/tokens.css", "../../../web/links/page.css"];

/**
 * The frame of the pages that links in messages lead to. They work without scripts and are complete in one answer, since
 * nothing else may be fetched. Search engines must not show them, and no other page may embed them: a click on it could be
 * tricked out of the reader.
 */
export function createPageFrame() {
  const css = files.map((file) => readFileSync(new URL(file, import.meta.url), "utf8")).join("\n");
  const hash = createHash("sha256").update(css).digest("base64");
  const policyWith = (script: string) =>
    `default-src 'none'; ${script}style-src 'sha256-${hash}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
  return (reply: FastifyReply, page: Page): FastifyReply =>
    reply
      .type("text/html; charset=utf-8")
      .headers({
        "content-security-policy": policyWith(
          page.script === undefined ? "" : "script-src 'self'; connect-src 'self'; ",
        ),
        "x-robots-tag": "noindex, nofollow",
      })
      .serializer((text: string) => text)
      .send(
        html`<!doctype html>
<html lang="${page.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<link rel="icon" href="data:,">
<title>${page.title}</title>
<style>${{ html: css }}</style>
${page.script === undefined ? undefined : html`<script type="module" src="${page.script}"></script>`}
</head>
<body>
<main>
<h1>${page.title}</h1>
${page.body}
</main>
</body>
</html>
`.html,
      );
}
