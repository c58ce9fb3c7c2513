import type { InboxItem } from "belfry/client";

export type { InboxItem };

/** One form for each plural category of the locale; `{n}` stands for the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** What a page can set. All but `getToken` and `renderItem` are attributes as well. */
export interface BelfryInboxProperties {
  /** The user whose inbox is shown. */
  user?: string | undefined;
  /** A user's token, from `POST /v1/users/{id}/token`. */
  token?: string | undefined;
  /** Called when a token is needed, and again before it expires. */
  getToken?: (() => string | Promise<string>) | undefined;
  /** An address of the page's own server that answers a POST with a token, as text or as `{"token": "…"}`. */
  tokenUrl?: string | undefined;
  /** Belfry's address; by default where the module came from. */
  server?: string | undefined;
  /** BCP 47; by default the page's `lang`, else the browser's. */
  locale?: string | undefined;
  /** By default the page's `color-scheme`; `auto`: the system's. */
  theme?: "light" | "dark" | "auto" | undefined;
  /** Texts in place of its own, by name; docs/inbox.md lists them. As an attribute it is JSON. */
  texts?: Record<string, string | Forms> | undefined;
  /** The list is part of the page, without a bell. */
  inline?: boolean;
  /** The list is open. */
  open?: boolean;
  /** `click` (the default): a clicked item is read. `open`: opening the list reads all of it. */
  readOn?: "click" | "open";
  /**
   * `unseen` (the default): the bell counts what has arrived since the list was last open. `unread`: it counts unread items,
   * and opening the list marks nothing as seen.
   */
  badge?: "unseen" | "unread";
  /** Makes the content of a row: a node, or text. Nothing: the tag draws that row itself. */
  renderItem?: ((item: InboxItem) => Node | string | null | undefined) | undefined;
}

/** The attributes whose names differ from those of the properties. */
export interface BelfryInboxAttributes {
  "read-on"?: "click" | "open" | undefined;
  "token-url"?: string | undefined;
}

export interface BelfryInboxEvents {
  /** An unread item has arrived. */
  "belfry-new": CustomEvent<{ item: InboxItem }>;
  /** An item was clicked. With `preventDefault()` its link is not followed. */
  "belfry-click": CustomEvent<{ item: InboxItem }>;
  /** The counts are known, or have changed. */
  "belfry-count": CustomEvent<{ unread: number; unseen: number; total: number }>;
  /** The items of the list are known, or have changed. */
  "belfry-items": CustomEvent<{ items: readonly InboxItem[] }>;
}

/** The tag in a template: properties, attributes and listeners such as `onbelfry-click`. */
export type BelfryInboxProps<Prefix extends string = "on"> = BelfryInboxProperties &
  BelfryInboxAttributes & {
    [Name in keyof BelfryInboxEvents as `${Prefix}${Name}`]?: (event: BelfryInboxEvents[Name]) => void;
  };

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
export declare class BelfryInbox extends HTMLElement {
  /** The items of the list under the chosen filter, newest first. */
  readonly items: readonly InboxItem[];
}

declare global {
  interface HTMLElementTagNameMap {
    "belfry-inbox": BelfryInbox;
  }
}
