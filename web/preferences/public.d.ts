/** What a page can set. All but `getToken` are attributes as well. */
export interface BelfryPreferencesProperties {
  /** The user whose preferences are shown. */
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
  /** Texts in place of its own, by name; docs/preferences.md lists them. As an attribute it is JSON. */
  texts?: Record<string, string> | undefined;
  /** Without the title. */
  headless?: boolean;
}

export interface BelfryPreferencesAttributes {
  "token-url"?: string | undefined;
}

export interface BelfryPreferencesEvents {
  /** A change was stored. */
  "belfry-preferences": CustomEvent<null>;
}

/** The tag in a template: properties, attributes and listeners such as `onbelfry-preferences`. */
export type BelfryPreferencesProps<Prefix extends string = "on"> = BelfryPreferencesProperties &
  BelfryPreferencesAttributes & {
    [Name in keyof BelfryPreferencesEvents as `${Prefix}${Name}`]?: (
      event: BelfryPreferencesEvents[Name],
    ) => void;
  };

export interface BelfryPreferences extends BelfryPreferencesProperties {
  addEventListener<Name extends keyof BelfryPreferencesEvents>(
    type: Name,
    listener: (this: BelfryPreferences, event: BelfryPreferencesEvents[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
export declare class BelfryPreferences extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    "belfry-preferences": BelfryPreferences;
  }
}
