import { LitElement, type PropertyDeclarations, type PropertyValues } from "lit";
import { langAround } from "./lang.ts";
import { createLocale, type Locale } from "./locale.ts";
import type { BelfryInboxProperties } from "./public.d.ts";
import type { GivenTexts } from "./texts.ts";
import { readTexts } from "./texts-attribute.ts";

/** What a page sets on the tag, and the locale that follows from it. */
export class Attributes extends LitElement implements BelfryInboxProperties {
  static override properties: PropertyDeclarations = {
    user: {},
    token: {},
    getToken: { attribute: false },
    tokenUrl: { attribute: "token-url" },
    renderItem: { attribute: false },
    server: {},
    locale: {},
    theme: { reflect: true },
    texts: { converter: readTexts },
    inline: { type: Boolean, reflect: true },
    open: { type: Boolean, reflect: true },
    readOn: { attribute: "read-on" },
    badge: {},
  };
  declare user: string | undefined;
  declare token: string | undefined;
  declare getToken: (() => string | Promise<string>) | undefined;
  declare tokenUrl: string | undefined;
  declare renderItem: BelfryInboxProperties["renderItem"];
  declare server: string | undefined;
  declare locale: string | undefined;
  declare theme: "light" | "dark" | "auto" | undefined;
  declare texts: GivenTexts | undefined;
  declare inline: boolean;
  declare open: boolean;
  declare readOn: "click" | "open";
  declare badge: "unseen" | "unread";

  protected words: Locale = createLocale("en");
  #tag = "";

  constructor() {
    super();
    this.inline = false;
    this.open = false;
    this.readOn = "click";
    this.badge = "unseen";
  }

  protected override willUpdate(changed: PropertyValues): void {
    const tag = this.locale || langAround(this) || navigator.language;
    if (tag === this.#tag && !changed.has("texts")) return;
    this.words = createLocale(tag, this.texts);
    this.#tag = tag;
  }
}
