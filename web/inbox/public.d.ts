import type { InboxItem } from "belfry/client";

export type { InboxItem };

/** One form for each plural category of the locale; `{n}` stands for the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** What a page can set: each is an attribute as well, but `getToken`. */
export interface BelfryInboxProperties {
  /** Whose inbox. */
  user?: string | undefined;
  /** A user's token, of `POST /v1/users/{id}/token`. */
  token?: string | undefined;
  /** Asked for a token when one is needed, and when the one before has run out. */
  getToken?: (() => string | Promise<string>) | undefined;
  /** Where Belfry answers; by default where the module came from. */
  server?: string | undefined;
  /** BCP 47; by default the page's `lang`, else the browser's. */
  locale?: string | undefined;
  /** By default what the page has as its `color-scheme`; `auto`: the system's. */
  theme?: "light" | "dark" | "auto" | undefined;
  /** Words in place of its own, by name; docs/inbox.md lists them. As an attribute it is JSON. */
  texts?: Record<string, string | Forms> | undefined;
  /** The list stands in the page, without a bell. */
  inline?: boolean;
  /** The list is open. */
  open?: boolean;
  /** An item is read when it is clicked (the default), or all are when the list is opened. */
  readOn?: "click" | "open";
}

export interface BelfryInboxEvents {
  /** An unread item has come. */
  "belfry-new": CustomEvent<{ item: InboxItem }>;
  /** An item was clicked. Prevented, its link is not followed. */
  "belfry-click": CustomEvent<{ item: InboxItem }>;
  /** The counts have changed, or are known now. */
  "belfry-count": CustomEvent<{ unread: number; total: number }>;
}

export interface BelfryInbox extends BelfryInboxProperties {
  addEventListener<Name extends keyof BelfryInboxEvents>(
    type: Name,
    listener: (this: BelfryInbox, event: BelfryInboxEvents[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
export declare class BelfryInbox extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    "belfry-inbox": BelfryInbox;
  }
}
