import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { MessageLinks } from "../model/channel.ts";
import type { TypeRules } from "../model/decide.ts";
import type { DeliveryContent } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { canonicalUser, isUserId } from "../model/user-id.ts";
import type { TypeRegistry } from "./notification-types.ts";

/** The e-mails that a link turns off: those of a category, or of a type that has none. */
export interface Scope {
  kind: "categories" | "types";
  key: string;
}

/** The content of a valid token. */
export type LinkToken =
  | { purpose: "unsubscribe"; user: string; scope: Scope }
  | { purpose: "preferences"; user: string };

/** A user's id has at most 512 bytes, a key 64. */
const maxCharacters = 1_000;
const macBytes = 16;

/** Before the user's id, which may contain anything but control characters. Keys have no colon. */
const form = /^(?:u([ct]):([A-Za-z0-9_.-]{1,64})|p):(.+)$/su;

/**
 * Links in messages, which work without a login and never expire. A token is base64url of a text and 16 bytes of its
 * HMAC-SHA256. `secrets` are those of user tokens: the first one signs, all verify. Their keys are derived, so neither
 * kind of token can stand for the other. `publicUrl`: mail programs follow https only (RFC 8058), so without it there are no
 * links.
 */
export function createLinks({ secrets, publicUrl }: { secrets: string[]; publicUrl?: string | undefined }) {
  const keys = secrets.map((secret) => Buffer.from(hkdfSync("sha256", secret, "", "belfry links", 32)));
  const [signer] = keys;
  const { protocol, hostname = "" } = publicUrl === undefined ? {} : new URL(publicUrl);
  const base = protocol === "https:" ? publicUrl : undefined;
  const macOf = (key: Buffer, text: Buffer) =>
    createHmac("sha256", key).update(text).digest().subarray(0, macBytes);

  function sign(text: string): string {
    const bytes = Buffer.from(text);
    return Buffer.concat([bytes, macOf(signer as Buffer, bytes)]).toString("base64url");
  }
  const preferencesToken = (user: string): string => sign(`p:${canonicalUser(user)}`);

  /** The links of a message, with these tokens. */
  function linksWith(
    type: TypeRules | undefined,
    channel: Channel,
    tokens: { unsubscribe: (scope: Scope) => string; preferences: () => string },
  ): MessageLinks | undefined {
    if (!signer || base === undefined) return undefined;
    const preferences = `${base}/p/${tokens.preferences()}`;
    if (channel !== "email" || !type || !isOptional(type)) return { preferences };
    const scope = scopeOf(type);
    return {
      preferences,
      unsubscribe: `${base}/u/${tokens.unsubscribe(scope)}`,
      listId: listIdOf(scope.key, hostname),
    };
  }

  const links = {
    preferencesToken,
    /** A message's links for its user. */
    of: (type: TypeRules | undefined, channel: Channel, user: string) =>
      linksWith(type, channel, {
        unsubscribe: ({ kind, key }) => sign(`u${kind.charAt(0)}:${key}:${canonicalUser(user)}`),
        preferences: () => preferencesToken(user),
      }),
    /** The same for people who only look at a message: links that open nothing. */
    sample: (type: TypeRules | undefined, channel: Channel) =>
      linksWith(type, channel, { unsubscribe: () => "preview", preferences: () => "preview" }),
    /** Undefined for a token that is not ours. */
    read(token: string): LinkToken | undefined {
      if (token.length > maxCharacters) return undefined;
      const bytes = Buffer.from(token, "base64url");
      // Node ignores what is not base64url.
      if (bytes.length <= macBytes || bytes.toString("base64url") !== token) return undefined;
      const text = bytes.subarray(0, -macBytes);
      const mac = bytes.subarray(-macBytes);
      if (!keys.map((key) => timingSafeEqual(macOf(key, text), mac)).includes(true)) return undefined;
      const [, kind, key = "", user = ""] = form.exec(text.toString()) ?? [];
      if (!isUserId(user)) return undefined;
      if (kind === undefined) return { purpose: "preferences", user };
      return { purpose: "unsubscribe", user, scope: { kind: kind === "c" ? "categories" : "types", key } };
    },
    /** The text without our tokens. */
    hide: (text: string): string =>
      text.replace(/(\/[up]\/)([\w-]+)/g, (whole, path, token) => (links.read(token) ? `${path}…` : whole)),
  };
  return links;
}

export type Links = ReturnType<typeof createLinks>;

/** Whether a user may turn the type off. */
export const isOptional = ({ mandatory, defaults }: TypeRules): boolean => !mandatory && !defaults?.locked;

const scopeOf = ({ key, category }: TypeRules): Scope =>
  category === undefined ? { kind: "types", key } : { kind: "categories", key: category };

/** RFC 2919: the label is a dot-atom, so a dot stands between two other characters only. */
const listIdOf = (key: string, host: string): string =>
  `${key}.${host}`.replace(/[^\w.-]|^\.|\.(?=\.)/g, "-");

/** The registry whose messages have these links. */
export const withLinks = (registry: TypeRegistry, linksOf: Links["of"]): TypeRegistry => ({
  ...registry,
  render: (channel, content, user) =>
    registry.render(channel, content, {
      ...user,
      // One link cannot turn off a digest of several kinds.
      links: linksOf(isMixed(content) ? undefined : registry.get(content.key), channel, user?.id ?? ""),
    }),
});

const isMixed = ({ digest }: DeliveryContent): boolean =>
  digest !== undefined && !/^(?:types|categories)\./.test(digest.scope);
