import { html, nothing, render } from "lit/html.js";
import { BelfryClientError } from "../../src/client/error.ts";
import { langAround } from "../inbox/lang.ts";
import { isParsed, parsed } from "../inbox/parsed.ts";
import { serverOf } from "../inbox/server.ts";
import { readTexts } from "../inbox/texts-attribute.ts";
import tokens from "../look/tokens.css?inline";
import { Attributes } from "./attributes.ts";
import { cellPatch, pauseEnd } from "./choices.ts";
import styles from "./preferences.css?inline";
import type { BelfryPreferencesProperties } from "./public.d.ts";
import { openPreferences, type PreferencesSession, type PreferencesView } from "./session.ts";
import { type Texts, textsFor } from "./texts.ts";
import { view } from "./view.ts";

/** A user's choices: what is sent on which channel, a pause, and quiet hours. */
export interface BelfryPreferences extends BelfryPreferencesProperties {}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the base class defines these properties
export class BelfryPreferences extends Attributes {
  readonly #root = this.attachShadow({ mode: "open" });
  #session: PreferencesSession | undefined;
  #problem: keyof Texts | undefined;

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(tokens + styles);
    this.#root.adoptedStyleSheets = [sheet];
  }

  connectedCallback(): void {
    this.requestUpdate();
  }

  disconnectedCallback(): void {
    this.#end();
  }

  protected override readTexts = readTexts;

  #end(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  protected override update(changed: ReadonlySet<string>): void {
    this.#follow(changed);
    render(this.#content(), this.#root);
  }

  #follow(changed: ReadonlySet<string>): void {
    const { user, token, getToken, tokenUrl } = this;
    if (["user", "server", "token", "tokenUrl"].some((one) => changed.has(one))) this.#end();
    if (!user || !this.isConnected || this.#session) return;
    if (token || getToken || tokenUrl || isParsed()) {
      // Frameworks make a new function on each render.
      const ask = getToken && (() => (this.getToken ?? getToken)());
      const target = { user, token, getToken: ask, tokenUrl, server: serverOf(this.server) };
      this.#session = openPreferences(target, () => this.requestUpdate());
    } else void parsed.then(() => this.requestUpdate());
  }

  get #tag(): string {
    try {
      const wanted = this.locale || langAround(this) || navigator.language;
      return Intl.getCanonicalLocales(wanted.replaceAll("_", "-"))[0] ?? "en";
    } catch {
      return "en";
    }
  }

  #content() {
    const tag = this.#tag;
    const texts = textsFor(tag, this.texts);
    const { answer, error, isSaved }: Partial<PreferencesView> = this.#session?.view ?? {};
    const dir = isRightToLeft(tag) ? "rtl" : "ltr";
    return html`<div class="root" part="root" dir=${dir} lang=${tag}>
      ${this.headless ? nothing : html`<h2 part="title"><slot name="title">${texts.title}</slot></h2>`}
      <div role="status" class="notices">${this.#notice(texts, error, answer !== undefined, isSaved)}</div>
      ${
        answer
          ? view({
              texts,
              tag,
              answer,
              now: Date.now(),
              onCell: (scope, name, channel, box) =>
                this.#change(cellPatch(answer, scope, name, channel, box.checked), box),
              onPause: (length) =>
                this.#change({ muted_until: length ? pauseEnd(length, new Date()) : null }),
              onQuiet: (period) => {
                this.#problem = period && period.from === period.to ? "sameTimes" : undefined;
                if (this.#problem) this.requestUpdate();
                else this.#change({ quiet: period ? [period] : null });
              },
            })
          : nothing
      }
    </div>`;
  }

  #notice(texts: Texts, error: Error | undefined, isLoaded: boolean, isSaved = false) {
    const name = this.user ? (this.#problem ?? (error && problemOf(error))) : "noUser";
    if (name)
      return html`<p class="notice trouble" part="notice">${texts[name]}
        ${error ? html`<button type="button" class="plain" @click=${() => this.#session?.reload()}>${texts.retry}</button>` : nothing}</p>`;
    if (!isLoaded) return html`<p class="soft" part="loading">${texts.loading}</p>`;
    return isSaved ? html`<p class="sr">${texts.saved}</p>` : nothing;
  }

  #change(patch: Parameters<PreferencesSession["change"]>[0], box?: HTMLInputElement): void {
    this.#problem = undefined;
    void this.#session?.change(patch).then(() => {
      if (!this.#session?.view.error)
        this.dispatchEvent(new CustomEvent("belfry-preferences", { bubbles: true, composed: true }));
      // What was refused must not stay as it was clicked.
      else if (box) box.checked = !box.checked;
    });
  }
}

const problems: Record<string, keyof Texts> = {
  unreachable: "unreachable",
  timeout: "unreachable",
  unauthorized: "signedOut",
  token_expired: "signedOut",
  forbidden: "forbidden",
  foreign_origin: "origin",
  preference_locked: "isLocked",
};

function problemOf(error: Error): keyof Texts {
  if (!(error instanceof BelfryClientError)) return "signedOut";
  return problems[error.code] ?? (error.status === 401 ? "signedOut" : "notDone");
}

const rightToLeft = ["Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand"];
const isRightToLeft = (tag: string): boolean =>
  rightToLeft.includes(new Intl.Locale(tag).maximize().script ?? "");
